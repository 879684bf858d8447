#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/oci/credentials.hpp"
#include "pipeline/oci/http.hpp"

namespace mlpipe {

// One way that a server offers to log in, from its WWW-Authenticate header.
struct Challenge {
  std::string scheme;                             // "bearer", "basic"; in lower case
  std::map<std::string, std::string> parameters;  // "realm", "service", "scope"; names in lower case
};
// Nothing that cannot be read is among them.
std::vector<Challenge> parse_challenges(std::string_view header);

// Logs in to one registry as it asks: by basic authentication, or by tokens that its token server gives for
// each scope. Not thread-safe.
class Authorization {
 public:
  // `registry` is for messages; `origin` is where it answers: only a registry that speaks plain http may
  // send us to a token server that does.
  Authorization(std::string registry, std::string origin, Credentials credentials)
      : registry_(std::move(registry)), origin_(std::move(origin)), credentials_(std::move(credentials)) {}

  // Adds what is known to suffice for the scope ("repository:team/digits:pull"); nothing at first.
  void apply(HttpRequest& request, const std::string& scope) const;
  // After a 401: gets what the server asks for. Throws Error that says what to do when that cannot be had.
  void answer(const HttpAnswer& refused, const std::string& scope, HttpClient& client);

 private:
  std::string fetch_token(const Challenge& challenge, const std::string& scope, HttpClient& client) const;

  std::string registry_;
  std::string origin_;
  Credentials credentials_;
  bool basic_ = false;
  std::map<std::string, std::string> tokens_;  // by scope
};

}  // namespace mlpipe
