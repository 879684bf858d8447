#include "pipeline/oci/authorization.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Reads "scheme name=value, name="quoted value", scheme …".
class ChallengeReader {
 public:
  explicit ChallengeReader(std::string_view text) : text_(text) {}

  std::vector<Challenge> read() {
    std::vector<Challenge> challenges;
    skip_separators();
    while (at_ < text_.size()) {
      std::string word = read_word();
      if (word.empty()) {
        break;
      }
      skip_spaces();
      if (at_ < text_.size() && text_[at_] == '=' && !challenges.empty()) {
        ++at_;
        challenges.back().parameters[word] = read_value();
      } else {
        challenges.push_back({std::move(word), {}});
      }
      skip_separators();
    }
    return challenges;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') {
      ++at_;
    }
  }
  void skip_separators() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == ',')) {
      ++at_;
    }
  }
  std::string read_word() {
    std::string word;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  text_[at_] == '-' || text_[at_] == '_')) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text_[at_++])));
    }
    return word;
  }
  std::string read_value() {
    std::string value;
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
          ++at_;
        }
        value += text_[at_];
      }
      at_ = std::min(at_ + 1, text_.size());
      return value;
    }
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != ' ') {
      value += text_[at_++];
    }
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string parameter(const Challenge& challenge, const std::string& name) {
  const auto found = challenge.parameters.find(name);
  return found == challenge.parameters.end() ? "" : found->second;
}

std::string log_in_hint(const std::string& registry) {
  return fmt::format("`docker login {0}` (or podman's, skopeo's) writes down who you are for {0}", registry);
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  return ChallengeReader(header).read();
}

void Authorization::apply(HttpRequest& request, const std::string& scope) const {
  if (basic_) {
    request.login = credentials_.login;
  } else if (const auto token = tokens_.find(scope); token != tokens_.end()) {
    request.bearer = token->second;
  }
}

std::string Authorization::fetch_token(const Challenge& challenge, const std::string& scope,
                                       HttpClient& client) const {
  const std::string realm = parameter(challenge, "realm");
  if (!realm.starts_with("https://") && (!realm.starts_with("http://") || !origin_.starts_with("http://"))) {
    throw Error(
        fmt::format("{} sends us to log in at '{}', which is not https", registry_, printable(realm)));
  }
  HttpRequest request;
  std::string query = fmt::format("service={}", url_encoded(parameter(challenge, "service")));
  for (const std::string& one : split(scope, ' ')) {
    query += fmt::format("&scope={}", url_encoded(one));
  }
  if (!credentials_.identity_token.empty()) {
    request.method = "POST";
    request.url = realm;
    request.headers = {"Content-Type: application/x-www-form-urlencoded"};
    request.body = fmt::format("grant_type=refresh_token&client_id=mlpipe&refresh_token={}&{}",
                               url_encoded(credentials_.identity_token), query);
  } else {
    request.url = realm + (realm.find('?') == std::string::npos ? "?" : "&") + query;
    request.login = credentials_.login;
  }
  const HttpAnswer answer = client.send(request);
  if (answer.status == 401 || answer.status == 403) {
    throw Error(fmt::format("{} refuses {}", registry_,
                            credentials_.any() ? "the credentials that are known for it"
                                               : "whoever has no credentials"),
                log_in_hint(registry_));
  }
  if (!answer.succeeded()) {
    throw Error(fmt::format("{}: its token server answers with HTTP status {}", registry_, answer.status));
  }
  const nlohmann::json document = nlohmann::json::parse(answer.body, nullptr, false);
  for (const char* key : {"token", "access_token"}) {
    if (document.is_object() && document.contains(key) && document[key].is_string()) {
      return document[key].get<std::string>();
    }
  }
  throw Error(fmt::format("{}: its token server answers without a token", registry_));
}

void Authorization::answer(const HttpAnswer& refused, const std::string& scope, HttpClient& client) {
  for (const Challenge& challenge : parse_challenges(refused.header("www-authenticate"))) {
    if (challenge.scheme == "bearer") {
      tokens_[scope] = credentials_.registry_token.empty() ? fetch_token(challenge, scope, client)
                                                           : credentials_.registry_token;
      return;
    }
    if (challenge.scheme == "basic" && credentials_.login) {
      basic_ = true;
      return;
    }
  }
  throw Error(fmt::format("{} asks who you are, and no credentials are known for it", registry_),
              log_in_hint(registry_));
}

}  // namespace mlpipe
