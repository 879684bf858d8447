#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mlpipe {

// Nothing for a text that is not base64 with its padding.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace mlpipe
