#pragma once

#include <cstdint>
#include <string>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// Where a socket listens.
struct SocketAddress {
  std::string host;  // numeric: "127.0.0.1", "::1"
  std::uint16_t port = 0;

  bool is_loopback() const;
  std::string url(const std::string& scheme = "http") const;  // "http://127.0.0.1:8080", "http://[::1]:8080"
};

// A listening TCP socket on the first address of `host` (a name or a number) that can be bound; port 0 takes
// a free one. Throws Error with the address and the reason.
FileDescriptor listen_on(const std::string& host, std::uint16_t port);

// Takes over a socket that was inherited and listens already, so that a restart refuses no connection:
// whoever holds the other end keeps its queue. Throws UsageError when the descriptor is no such socket.
FileDescriptor adopt_listening_socket(int descriptor);

SocketAddress address_of(const FileDescriptor& socket);

}  // namespace mlpipe
