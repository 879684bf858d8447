#include "pipeline/oci/base64.hpp"

#include <openssl/evp.h>

namespace mlpipe {

std::optional<std::string> base64_decoded(std::string_view text) {
  constexpr std::size_t group = 4;
  if (text.size() % group != 0) {
    return std::nullopt;
  }
  std::string decoded(text.size() / group * 3, '\0');
  const int bytes =
      ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (bytes < 0) {
    return std::nullopt;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  decoded.resize(static_cast<std::size_t>(bytes) - padding);
  return decoded;
}

}  // namespace mlpipe
