#include "server/http/socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr int backlog = 4096;

int socket_option(int descriptor, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

bool SocketAddress::is_loopback() const {
  return host.starts_with("127.") || host.starts_with("::ffff:127.") || host == "::1";
}

std::string SocketAddress::url(const std::string& scheme) const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("{}://[{}]:{}", scheme, host, port)
                 : fmt::format("{}://{}:{}", scheme, host, port);
}

FileDescriptor listen_on(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (failure != 0) {
    throw UsageError(fmt::format("listening on {}: {}", host, ::gai_strerror(failure)),
                     "--host takes an address of this machine, such as 127.0.0.1 or 0.0.0.0");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int reason = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    FileDescriptor socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    if (socket && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        ::bind(socket.get(), address->ai_addr, address->ai_addrlen) == 0 &&
        ::listen(socket.get(), backlog) == 0) {
      return socket;
    }
    reason = errno;
  }
  throw Error(fmt::format("listening on {} port {}: {}", host, port, std::generic_category().message(reason)),
              reason == EADDRINUSE ? "another program has the port; port 0 takes a free one" : "");
}

FileDescriptor adopt_listening_socket(int descriptor) {
  if (::fcntl(descriptor, F_GETFD) < 0) {
    throw UsageError(fmt::format("adopting descriptor {}: it is not open", descriptor));
  }
  if (socket_option(descriptor, SO_TYPE) != SOCK_STREAM || socket_option(descriptor, SO_ACCEPTCONN) != 1) {
    throw UsageError(fmt::format("adopting descriptor {}: it is no listening socket", descriptor));
  }
  const int domain = socket_option(descriptor, SO_DOMAIN);
  if (domain != AF_INET && domain != AF_INET6) {
    throw UsageError(fmt::format("adopting descriptor {}: it is no TCP socket", descriptor));
  }
  FileDescriptor socket(descriptor);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  return socket;
}

SocketAddress address_of(const FileDescriptor& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host.data(), host.size(), port.data(),
                    port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    throw_errno("asking a socket for its address");
  }
  return {host.data(), static_cast<std::uint16_t>(std::stoi(port.data()))};
}

}  // namespace mlpipe
