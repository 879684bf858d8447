#include "pipeline/oci/labels.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

std::map<std::string, std::string> parse_labels(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> labels;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || !is_utf8(text)) {
      throw UsageError(fmt::format("the label '{}' is not NAME=VALUE", printable(text)));
    }
    labels[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return labels;
}

}  // namespace mlpipe
