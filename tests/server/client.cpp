#include "tests/server/client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

#include <array>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

std::string WireResponse::header(std::string_view name) const {
  for (const std::string& line : split(head, '\n')) {
    if (line.size() > name.size() && line[name.size()] == ':' &&
        ::strncasecmp(line.data(), name.data(), name.size()) == 0) {
      return std::string(trim(std::string_view(line).substr(name.size() + 1)));
    }
  }
  return "";
}

WireClient::WireClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{20, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_errno(fmt::format("connecting to port {}", port));
  }
}

void WireClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      throw_errno("sending to the server");
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool WireClient::fill() {
  std::array<char, 65536> buffer{};
  const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (count < 0) {
    throw_errno("receiving from the server");
  }
  received_.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

WireResponse WireClient::receive(bool has_body) {
  std::size_t end = std::string::npos;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) {
      throw Error("the server closed the connection without an answer");
    }
  }
  WireResponse response;
  response.head = received_.substr(0, end + 2);
  received_.erase(0, end + 4);
  response.status = std::stoi(response.head.substr(9, 3));
  const std::string length = response.header("Content-Length");
  const std::size_t size = has_body && !length.empty() ? std::stoul(length) : 0;
  while (received_.size() < size) {
    if (!fill()) {
      throw Error("the server closed the connection within an answer");
    }
  }
  response.body = received_.substr(0, size);
  received_.erase(0, size);
  return response;
}

WireResponse WireClient::post(const std::string& path, std::string_view body, const std::string& headers) {
  send(fmt::format("POST {} HTTP/1.1\r\nHost: test\r\n{}Content-Length: {}\r\n\r\n{}", path, headers,
                   body.size(), body));
  return receive();
}

WireResponse WireClient::get(const std::string& path, const std::string& headers) {
  send(fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n{}\r\n", path, headers));
  return receive();
}

bool WireClient::is_closed() {
  return received_.empty() && !fill();
}

WireResponse post_once(std::uint16_t port, const std::string& path, std::string_view body,
                       const std::string& headers) {
  return WireClient(port).post(path, body, headers + "Connection: close\r\n");
}

}  // namespace mlpipe
