#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mlpipe {

struct HttpReply {
  int status = 0;
  std::string body;
};

// One request to a server on this machine. Nothing when it cannot be reached or does not answer in time.
// `token`, when not empty, is sent as a bearer token.
std::optional<HttpReply> http_get(const std::string& host, int port, const std::string& path,
                                  const std::string& token, std::chrono::milliseconds timeout);
std::optional<HttpReply> http_post(const std::string& host, int port, const std::string& path,
                                   std::string_view json, const std::string& token,
                                   std::chrono::milliseconds timeout);

// The same by "http://HOST:PORT"; nothing, too, when the address is none.
std::optional<HttpReply> http_post_to(const std::string& address, const std::string& path,
                                      std::string_view json, std::chrono::milliseconds timeout);
// The same to a server that listens at a Unix socket.
std::optional<HttpReply> http_get_at(const std::filesystem::path& socket, const std::string& path,
                                     std::chrono::milliseconds timeout);
std::optional<HttpReply> http_post_at(const std::filesystem::path& socket, const std::string& path,
                                      std::string_view json, std::chrono::milliseconds timeout);

}  // namespace mlpipe
