#include "server/filter/credentials.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <strings.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr const char* bearer = "Bearer";
constexpr const char* basic = "Basic";
constexpr std::size_t most_bytes = std::size_t{1} << 20U;

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// What is compared is a digest, so that neither length nor content shows in the time it takes.
Digest digest_of_authorization(std::string_view scheme, std::string_view value) {
  std::string text(scheme);
  text += ' ';
  text += value;
  return digest_of(text);
}

// A scheme's name may be written in any case (RFC 9110, 11.1).
std::string_view scheme_of(std::string_view given) {
  for (const std::string_view scheme : {bearer, basic}) {
    if (given.size() == scheme.size() && ::strncasecmp(given.data(), scheme.data(), scheme.size()) == 0) {
      return scheme;
    }
  }
  return given;
}

void add_lines(const std::filesystem::path& file, const std::string& what,
               const std::function<void(std::string_view)>& add) {
  if (file.empty()) {
    return;
  }
  std::size_t number = 0;
  std::size_t added = 0;
  for (const std::string& line : split(read_file(file, most_bytes), '\n')) {
    ++number;
    const std::string_view entry = trim(line);
    if (entry.empty()) {
      continue;
    }
    try {
      add(entry);
      ++added;
    } catch (const UsageError& fault) {
      throw UsageError(fmt::format("{}:{}: {}", file.string(), number, fault.what()));
    }
  }
  if (added == 0) {
    throw UsageError(fmt::format("{}: it holds no {}", file.string(), what));
  }
}

}  // namespace

void Credentials::add(const std::string& scheme, std::string_view value) {
  accepted_.push_back(digest_of_authorization(scheme, value));
  if (std::find(schemes_.begin(), schemes_.end(), scheme) == schemes_.end()) {
    schemes_.push_back(scheme);
  }
}

void Credentials::add_token(std::string_view token) {
  if (token.empty() || token.find_first_of(" \t") != std::string_view::npos) {
    throw UsageError("a token is one word");
  }
  add(bearer, token);
}

void Credentials::add_user(std::string_view user_and_password) {
  const std::size_t colon = user_and_password.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    throw UsageError("user:password is expected");
  }
  add(basic, base64(user_and_password));
}

bool Credentials::allow(std::string_view authorization) const {
  const std::string_view given = trim(authorization);
  const std::size_t space = std::min(given.find(' '), given.size());
  const Digest found = digest_of_authorization(scheme_of(given.substr(0, space)), trim(given.substr(space)));
  bool allowed = false;
  for (const Digest& accepted : accepted_) {  // all of them, also when one has been found
    const bool same = ::CRYPTO_memcmp(accepted.bytes().data(), found.bytes().data(), Digest::size) == 0;
    allowed = allowed || same;
  }
  return allowed;
}

Credentials read_credentials(const CredentialFiles& files) {
  Credentials credentials;
  add_lines(files.tokens, "token", [&](std::string_view entry) { credentials.add_token(entry); });
  add_lines(files.users, "user:password", [&](std::string_view entry) { credentials.add_user(entry); });
  return credentials;
}

}  // namespace mlpipe
