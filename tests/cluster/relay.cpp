#include "tests/cluster/relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <map>
#include <vector>

namespace mlpipe {
namespace {

sockaddr_in address(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

FileDescriptor make_socket() {
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) {
    throw_errno("making a socket");
  }
  return socket;
}

}  // namespace

Relay::Relay(std::string host, std::uint16_t port) : host_(std::move(host)), target_(port) {
  mend();
}

Relay::~Relay() {
  cut();
}

void Relay::mend() {
  listen();
  ended_ = false;
  thread_ = std::thread([this] { run(); });
}

void Relay::cut() {
  ended_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  listener_.close();
}

void Relay::listen() {
  listener_ = make_socket();
  const int yes = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in own = address("127.0.0.1", port_);
  socklen_t size = sizeof own;
  constexpr int waiting = 64;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) != 0 ||
      ::listen(listener_.get(), waiting) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    throw_errno("listening");
  }
  port_ = ntohs(own.sin_port);
}

// All connections in one thread: what comes from one end goes to the other.
void Relay::run() {
  constexpr int look_ms = 20;
  std::map<int, FileDescriptor> ends;
  std::map<int, int> other;
  while (!ended_) {
    std::vector<pollfd> polled = {{listener_.get(), POLLIN, 0}};
    for (const auto& [descriptor, owner] : ends) {
      polled.push_back({descriptor, POLLIN, 0});
    }
    ::poll(polled.data(), polled.size(), look_ms);
    for (const pollfd& one : polled) {
      if (one.revents == 0) {
        continue;
      }
      if (one.fd == listener_.get()) {
        FileDescriptor here(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        FileDescriptor there = make_socket();
        const sockaddr_in target = address(host_, target_);
        if (here && ::connect(there.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0) {
          other[here.get()] = there.get();
          other[there.get()] = here.get();
          for (FileDescriptor* end : {&here, &there}) {
            const int descriptor = end->get();
            ends.emplace(descriptor, std::move(*end));
          }
        }
        continue;
      }
      if (!ends.contains(one.fd)) {
        continue;  // its other end has just gone
      }
      std::array<char, std::size_t{1} << 16U> buffer{};
      const ssize_t count = ::read(one.fd, buffer.data(), buffer.size());
      const int to = other.at(one.fd);
      bool open = count > 0;
      for (ssize_t sent = 0; open && sent < count;) {
        const ssize_t more =
            ::send(to, buffer.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
        open = more > 0;
        sent += more;
      }
      if (!open) {
        other.erase(one.fd);
        other.erase(to);
        ends.erase(one.fd);
        ends.erase(to);
      }
    }
  }
}

}  // namespace mlpipe
