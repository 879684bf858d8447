#include "server/protocol/url.hpp"

#include <algorithm>

#include "pipeline/base/text.hpp"
#include "server/protocol/input.hpp"

namespace mlpipe {
namespace {

int hexadecimal_digit(char character) {
  if (character >= '0' && character <= '9') {
    return character - '0';
  }
  const char low = static_cast<char>(character | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

}  // namespace

std::optional<std::string> decode_percent(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hexadecimal_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hexadecimal_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string query_value(const Request& request, std::string_view name) {
  for (const std::string& pair : split(request.query, '&')) {
    const std::size_t equals = pair.find('=');
    if (std::string_view(pair).substr(0, equals) != name) {
      continue;
    }
    std::string value = equals == std::string::npos ? "" : pair.substr(equals + 1);
    std::replace(value.begin(), value.end(), '+', ' ');
    const std::optional<std::string> decoded = decode_percent(value);
    if (!decoded) {
      throw RequestError(400, std::string(name) + ": its escapes are broken");
    }
    return *decoded;
  }
  return "";
}

}  // namespace mlpipe
