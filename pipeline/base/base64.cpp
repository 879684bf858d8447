#include "pipeline/base/base64.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <limits>

namespace mlpipe {
namespace {

bool is_digit_of_base64(char character) {
  return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '+' || character == '/';
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  const std::size_t end = text.find('=');
  const std::string_view digits = text.substr(0, end);
  const std::string_view padding = end == std::string_view::npos ? std::string_view() : text.substr(end);
  // OpenSSL would skip blanks and read what follows the padding.
  if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max() ||
      !std::all_of(digits.begin(), digits.end(), is_digit_of_base64) ||
      (padding != "" && padding != "=" && padding != "==")) {
    return std::nullopt;
  }
  std::string bytes(text.size() / 4 * 3, '\0');
  if (!bytes.empty() && ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                          reinterpret_cast<const unsigned char*>(text.data()),
                                          static_cast<int>(text.size())) < 0) {
    return std::nullopt;
  }
  bytes.resize(bytes.size() - padding.size());
  return bytes;
}

}  // namespace mlpipe
