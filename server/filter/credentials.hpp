#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

// Who may ask: bearer tokens, and users with their passwords. A value.
class Credentials {
 public:
  void add_token(std::string_view token);
  // "user:password"; throws UsageError when it has no colon or no user.
  void add_user(std::string_view user_and_password);

  // Whether the value of an Authorization header is one of them. Takes the same time whichever it is like.
  bool allow(std::string_view authorization) const;

  // "Bearer", "Basic" or both, for WWW-Authenticate; empty when nobody was added.
  const std::vector<std::string>& schemes() const { return schemes_; }

 private:
  void add(const std::string& scheme, std::string_view value);

  std::vector<std::string> schemes_;
  std::vector<Digest> accepted_;  // of "bearer TOKEN" and "basic BASE64"
};

// Files that credentials are read from, an entry in each line; empty paths are not read.
struct CredentialFiles {
  std::filesystem::path tokens;
  std::filesystem::path users;  // "user:password"

  bool any() const { return !tokens.empty() || !users.empty(); }
};

// Throws Error or UsageError that names the file and the line, never what stands there.
Credentials read_credentials(const CredentialFiles& files);

}  // namespace mlpipe
