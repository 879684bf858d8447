#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// A user's name and password, or what stands for them; never in a message.
struct Login {
  std::string user;
  std::string password;
};

struct HttpRequest {
  // Part of a file, sent without being read into memory.
  struct FilePart {
    std::filesystem::path path;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"; no credentials
  std::string bearer;                // a token; credentials reach only the host that `url` names
  std::optional<Login> login;        // by basic authentication, or as AWS's keys where `aws_region` is given
  std::string aws_region;            // signs the request (AWS signature version 4, S3)
  std::string body;
  std::optional<FilePart> file;  // sent instead of `body`
  // Gets the body of an answer of status 2xx piece by piece; without, it is in HttpAnswer::body.
  std::function<void(std::string_view)> receive;
  std::uint64_t most_bytes = std::uint64_t{4} << 20U;  // of a body; a longer one is an Error
  bool repeatable = true;  // may be sent again after a failure; what the server put off (429, 503), all may
};

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // by name in lower case; of several, the last
  std::string body;
  std::string url;  // that answered, after redirects

  std::string header(const std::string& name) const;
  bool succeeded() const { return status >= 200 && status < 300; }
};

// No answer came, or only a part of one, or one that may be another later. Its text names no URL.
class Unavailable : public Error {
 public:
  using Error::Error;
};

// How often and how patiently what may pass is tried again: no answer, 429, and 5xx but 501 and 505.
struct Patience {
  int retries = 4;
  int first_pause_ms = 300;  // doubled each time, unless the server says Retry-After
  int longest_pause_ms = 30'000;
  int silent_seconds = 60;  // without a byte, and it is given up
};

// Sends requests by http and https, whose certificates are checked, over connections that stay open. GET and
// HEAD follow at most five redirects, never from https to http, and give credentials to no other host. Not
// thread-safe: one for each thread.
class HttpClient {
 public:
  explicit HttpClient(Patience patience = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any answer is returned, whatever its status. Throws Unavailable when there is none, and Error for a body
  // that is too long; what `receive` throws passes through. A repeated request has its body received from the
  // beginning only when nothing was received before; else Unavailable is thrown at once.
  HttpAnswer send(const HttpRequest& request);

 private:
  struct Connections;
  HttpAnswer send_once(const HttpRequest& request);
  HttpAnswer send_and_follow(HttpRequest request);

  Patience patience_;
  std::unique_ptr<Connections> connections_;
};

// Where `location`, as a server at `base` gave it, leads to; throws Error unless that is http or https.
std::string resolve_url(const std::string& base, const std::string& location);
// "https://host:port" of a URL.
std::string origin_of(const std::string& url);
// As a part of a URL's path or query.
std::string url_encoded(std::string_view text);

}  // namespace mlpipe
