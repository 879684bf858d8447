#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.hpp"

namespace mlpipe {

// Percent-decoding; nothing for a broken escape.
std::optional<std::string> decode_percent(std::string_view text);

// The value of a name in the request's query, decoded; empty when it is not there. Throws RequestError 400
// for a broken escape.
std::string query_value(const Request& request, std::string_view name);

}  // namespace mlpipe
