#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mlpipe {

// RFC 4648's base64 without line ends; nothing for what is none.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace mlpipe
