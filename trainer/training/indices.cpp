#include "trainer/training/indices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

void require_indices(const Part& part, const Dataset& dataset, std::int64_t count) {
  constexpr std::size_t at_once = 256;
  const std::size_t width = dataset.values();
  std::vector<float> values;
  for (std::size_t first = 0; first < part.count(); first += at_once) {
    const auto rows = std::span(part.rows).subspan(first, std::min(at_once, part.count() - first));
    values.resize(rows.size() * width);
    part.examples->read(rows, values);
    const auto wrong = std::find_if_not(values.begin(), values.end(), [&](float value) {
      return value >= 0 && value < static_cast<float>(count) && value == std::floor(value);
    });
    if (wrong != values.end()) {
      const auto at = static_cast<std::size_t>(wrong - values.begin());
      const std::string column =
          dataset.columns.empty() ? "" : fmt::format(" ({})", printable(dataset.columns[at % width].name));
      throw UsageError(
          fmt::format("{}: example {}, value {}{} is {}, and the embedding takes whole numbers "
                      "from 0 to {}",
                      dataset.source, rows[at / width], at % width, column, number_text(*wrong), count - 1),
          "give the embedding a larger count, or bring the data into that range");
    }
  }
}

}  // namespace

void require_indices(const Dataset& dataset, std::int64_t count) {
  require_indices(dataset.training, dataset, count);
  require_indices(dataset.held_out, dataset, count);
}

}  // namespace mlpipe
