#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <string_view>

#include "server/http/message.hpp"

namespace mlpipe {

// JSON is written straight into a buffer: an answer holds mostly numbers, and building a tree of them first
// would cost more than the forward call of a small model.
using JsonBuffer = fmt::memory_buffer;

// A quoted and escaped text; what is not UTF-8 becomes U+FFFD.
void append_text(JsonBuffer& out, std::string_view text);
// The shortest number that reads back as the same FP32 value. The value must be finite.
void append_number(JsonBuffer& out, float value);
void append_numbers(JsonBuffer& out, std::span<const float> values);  // "[1,2.5]"
inline void append_raw(JsonBuffer& out, std::string_view json) {
  out.append(json.data(), json.data() + json.size());
}

Response json_response(const JsonBuffer& body, int status = 200);
// {"error": message}
Response error_response(int status, std::string_view message);

}  // namespace mlpipe
