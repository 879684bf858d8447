#include "pipeline/base/mask.hpp"

#include <algorithm>
#include <string_view>

namespace mlpipe {

Mask::Mask(std::vector<std::string> hidden) : hidden_(std::move(hidden)) {
  std::erase(hidden_, "");
  std::sort(hidden_.begin(), hidden_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string Mask::masked(std::string text) const {
  constexpr std::string_view mask = "***";
  for (const std::string& value : hidden_) {
    for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos; at += mask.size()) {
      text.replace(at, value.size(), mask);
    }
  }
  return text;
}

}  // namespace mlpipe
