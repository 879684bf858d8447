#include "pipeline/agent/listeners.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

std::string name_of(const Listen& listen) {
  return fmt::format(fmt::runtime(listen.host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"),
                     listen.host, listen.port);
}

// Only numeric addresses: looking names up would tie this program to the system's resolver libraries.
Address parse_address(const Listen& listen) {
  const std::string host = listen.host == "localhost" ? "127.0.0.1" : listen.host;
  Address address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(listen.port);
    address.size = sizeof v4;
    std::memcpy(&address.bytes, &v4, sizeof v4);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(listen.port);
    address.size = sizeof v6;
    std::memcpy(&address.bytes, &v6, sizeof v6);
  } else {
    throw Error(fmt::format("listening at {}: '{}' is no numeric address", name_of(listen), listen.host));
  }
  return address;
}

std::uint16_t bound_port(int descriptor) {
  Address address;
  address.size = sizeof address.bytes;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.bytes), &address.size) != 0) {
    throw_errno("reading a socket's address");
  }
  in_port_t port = 0;
  if (address.bytes.ss_family == AF_INET6) {
    port = reinterpret_cast<const sockaddr_in6*>(&address.bytes)->sin6_port;
  } else {
    port = reinterpret_cast<const sockaddr_in*>(&address.bytes)->sin_port;
  }
  return ntohs(port);
}

FileDescriptor bind_socket(const Listen& listen) {
  const Address address = parse_address(listen);
  FileDescriptor descriptor(::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  if (!descriptor || ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0 ||
      ::listen(descriptor.get(), SOMAXCONN) != 0) {
    throw_errno(fmt::format("listening at {}", name_of(listen)));
  }
  return descriptor;
}

}  // namespace

Listeners::Listeners(const std::vector<Listen>& wanted, const Listeners& existing) {
  for (const Listen& listen : wanted) {
    const auto kept = std::find_if(existing.sockets_.begin(), existing.sockets_.end(),
                                   [&listen](const Socket& socket) { return socket.wanted == listen; });
    if (kept != existing.sockets_.end()) {
      sockets_.push_back(*kept);
      continue;
    }
    auto descriptor = std::make_shared<FileDescriptor>(bind_socket(listen));
    Listen bound = listen;
    bound.port = bound_port(descriptor->get());
    sockets_.push_back({listen, bound, std::move(descriptor)});
  }
}

std::vector<Listen> Listeners::bound() const {
  std::vector<Listen> addresses;
  for (const Socket& socket : sockets_) {
    addresses.push_back(socket.bound);
  }
  return addresses;
}

std::vector<int> Listeners::descriptors() const {
  std::vector<int> descriptors;
  for (const Socket& socket : sockets_) {
    descriptors.push_back(socket.descriptor->get());
  }
  return descriptors;
}

std::string Listeners::fill_in(const std::string& argument) const {
  constexpr std::string_view opening = "{listen:";
  std::string filled;
  std::size_t begin = 0;
  while (true) {
    const std::size_t at = argument.find(opening, begin);
    const std::size_t end = at == std::string::npos ? at : argument.find('}', at);
    if (end == std::string::npos) {
      return filled + argument.substr(begin);
    }
    const std::string name = argument.substr(at + opening.size(), end - at - opening.size());
    const auto socket = std::find_if(sockets_.begin(), sockets_.end(),
                                     [&name](const Socket& one) { return one.wanted.name == name; });
    if (socket == sockets_.end()) {
      throw Error(fmt::format("the argument '{}' names a socket that the job does not listen at", argument));
    }
    filled += argument.substr(begin, at - begin) + std::to_string(socket->descriptor->get());
    begin = end + 1;
  }
}

}  // namespace mlpipe
