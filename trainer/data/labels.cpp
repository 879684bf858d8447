#include "trainer/data/labels.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

void sort_labels(std::vector<std::string>& labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  const bool numbers = std::all_of(labels.begin(), labels.end(),
                                   [](const std::string& label) { return parse_number(label).has_value(); });
  if (numbers) {
    std::stable_sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
      return *parse_number(a) < *parse_number(b);
    });
  }
}

void require_utf8(const std::string& text, const std::string& source, const char* what) {
  if (!is_utf8(text)) {
    throw UsageError(fmt::format("{}: the {} '{}' is no UTF-8 text", source, what, printable(text)),
                     "convert the file, for example with iconv");
  }
}

}  // namespace mlpipe
