#include "pipeline/deploy/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

std::optional<sockaddr_in> ipv4_address(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const std::string& number = host == "localhost" ? loopback : host;
  if (::inet_pton(AF_INET, number.c_str(), &address.sin_addr) != 1) {
    return std::nullopt;
  }
  return address;
}

// A socket that listens there; none when it cannot.
FileDescriptor listening_socket(sockaddr_in address) {
  FileDescriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int reuse = 1;
  ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  const bool listens =
      ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(probe.get(), 1) == 0;
  return listens ? std::move(probe) : FileDescriptor();
}

}  // namespace

bool is_free(const std::string& host, int port) {
  const auto address = ipv4_address(host, port);
  return !address || listening_socket(*address);
}

int any_free_port(const std::string& host) {
  const FileDescriptor probe = listening_socket(ipv4_address(host, 0).value_or(*ipv4_address(loopback, 0)));
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (!probe || ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw_errno("looking for a free port at " + host);
  }
  return ntohs(address.sin_port);
}

std::string url_of(const std::string& host, int port) {
  return fmt::format("http://{}:{}", host == "0.0.0.0" ? loopback : host, port);
}

std::string random_token() {
  std::array<char, Digest::size> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw_errno("making an admin token");
  }
  return digest_of({bytes.data(), bytes.size()}).hex();
}

}  // namespace mlpipe
