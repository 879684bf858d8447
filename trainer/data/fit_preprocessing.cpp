#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/dataset.hpp"

namespace mlpipe {
namespace {

// The offset and divisor of one group of values.
void add_scale(Preprocessing& preprocessing, const Statistics& fitted, std::size_t group) {
  const bool standardize = preprocessing.kind == Preprocessing::Kind::standardize;
  const float least = fitted.least[group];
  const float most = fitted.most[group];
  const double divisor = standardize ? std::sqrt(fitted.squares[group] / static_cast<double>(fitted.count))
                                     : static_cast<double>(most) - least;
  const bool varies =
      most > least && static_cast<float>(divisor) > 0 && divisor <= std::numeric_limits<float>::max();
  preprocessing.offset.push_back(standardize ? static_cast<float>(fitted.mean[group]) : least);
  preprocessing.divisor.push_back(varies ? static_cast<float>(divisor) : 1.0F);
}

std::string name_of_value(const Dataset& dataset, std::size_t group) {
  return dataset.is_image() ? fmt::format("channel {}", group)
                            : fmt::format("column '{}'", printable(dataset.columns[group].name));
}

void require_whole(const Dataset& dataset, const Part& part) {
  constexpr std::size_t at_once = 256;
  const std::size_t width = dataset.values();
  std::vector<float> values;
  for (std::size_t first = 0; first < part.count(); first += at_once) {
    const auto rows = std::span(part.rows).subspan(first, std::min(at_once, part.count() - first));
    values.resize(rows.size() * width);
    part.examples->read(rows, values);
    const auto broken =
        std::find_if(values.begin(), values.end(), [](float value) { return value != std::floor(value); });
    if (broken != values.end()) {
      const auto at = static_cast<std::size_t>(broken - values.begin());
      throw UsageError(fmt::format("{}: value {} of example {} is {}, and an embedding takes whole numbers",
                                   part.name, at % width, rows[at / width], number_text(*broken)));
    }
  }
}

// Whoever looks a vector up by a number that is not there reads beside the table.
void require_indices(const Dataset& dataset, const Part& part, std::int64_t count) {
  const Statistics seen = statistics_of(*part.examples, part.rows, dataset.shape, part.name);
  for (std::size_t group = 0; group < seen.groups(); ++group) {
    for (const float value : {seen.least[group], seen.most[group]}) {
      if (value < 0 || value >= static_cast<float>(count)) {
        throw UsageError(
            fmt::format("{}: the {} holds {}, and the embedding has the entries 0 to {}", part.name,
                        name_of_value(dataset, group), number_text(value), count - 1),
            value < 0 ? "a category that training does not have counts as -1" : "make its count larger");
      }
    }
  }
  require_whole(dataset, part);
}

}  // namespace

Preprocessing fit_preprocessing(const TrainingData& data, const Dataset& dataset, const Network& network) {
  using Kind = Preprocessing::Kind;
  Preprocessing preprocessing;
  if (const auto count = network.index_count()) {
    if (data.scale.value_or(Kind::none) != Kind::none) {
      throw UsageError("the network begins with an embedding, which takes numbers as they are",
                       "take out data.scale, or write scale: none");
    }
    require_indices(dataset, dataset.training, *count);
    require_indices(dataset, dataset.held_out, *count);
    return preprocessing;
  }
  preprocessing.kind = data.scale.value_or(dataset.is_image() ? Kind::minmax : Kind::standardize);
  preprocessing.categories = category_counts(dataset.columns);
  if (preprocessing.kind == Kind::none) {
    return preprocessing;
  }
  const bool alike = dataset.is_image() && !data.per_channel;
  const Statistics fitted = alike ? dataset.statistics.together() : dataset.statistics;
  for (std::size_t group = 0; group < fitted.groups(); ++group) {
    const std::size_t categories = dataset.columns.empty() ? 0 : dataset.columns[group].categories.size();
    if (categories == 0) {
      add_scale(preprocessing, fitted, group);
    } else {  // one or zero, and so they stay
      preprocessing.offset.insert(preprocessing.offset.end(), categories, 0.0F);
      preprocessing.divisor.insert(preprocessing.divisor.end(), categories, 1.0F);
    }
  }
  return preprocessing;
}

}  // namespace mlpipe
