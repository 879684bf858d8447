#include "server/protocol/json.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace mlpipe {

void append_text(JsonBuffer& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char character) {
    return character >= ' ' && character < 0x7f && character != '"' && character != '\\';
  });
  if (plain) {
    out.push_back('"');
    append_raw(out, text);
    out.push_back('"');
  } else {
    append_raw(out, nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

void append_number(JsonBuffer& out, float value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}

void append_numbers(JsonBuffer& out, std::span<const float> values) {
  out.push_back('[');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    append_number(out, values[i]);
  }
  out.push_back(']');
}

Response json_response(const JsonBuffer& body, int status) {
  return {status, "application/json", std::string(body.data(), body.size())};
}

Response error_response(int status, std::string_view message) {
  JsonBuffer body;
  append_raw(body, R"({"error":)");
  append_text(body, message);
  append_raw(body, "}");
  return json_response(body, status);
}

}  // namespace mlpipe
