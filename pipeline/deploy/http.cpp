#include "pipeline/deploy/http.hpp"

#include <httplib.h>

namespace mlpipe {
namespace {

httplib::Client client_for(const std::string& host, int port, std::chrono::milliseconds timeout) {
  httplib::Client client(host, port);
  client.set_connection_timeout(timeout);
  client.set_read_timeout(timeout);
  client.set_write_timeout(timeout);
  return client;
}

httplib::Headers headers_with(const std::string& token) {
  httplib::Headers headers;
  if (!token.empty()) {
    headers.emplace("Authorization", "Bearer " + token);
  }
  return headers;
}

std::optional<HttpAnswer> answer_of(const httplib::Result& result) {
  if (!result) {
    return std::nullopt;
  }
  return HttpAnswer{result->status, result->body};
}

}  // namespace

std::optional<HttpAnswer> http_get(const std::string& host, int port, const std::string& path,
                                   const std::string& token, std::chrono::milliseconds timeout) {
  httplib::Client client = client_for(host, port, timeout);
  return answer_of(client.Get(path, headers_with(token)));
}

std::optional<HttpAnswer> http_post(const std::string& host, int port, const std::string& path,
                                    std::string_view json, const std::string& token,
                                    std::chrono::milliseconds timeout) {
  httplib::Client client = client_for(host, port, timeout);
  return answer_of(client.Post(path, headers_with(token), json.data(), json.size(), "application/json"));
}

}  // namespace mlpipe
