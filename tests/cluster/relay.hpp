#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// A port of this machine that leads to another address, until it is cut: then every connection is gone, and
// none can be made.
class Relay {
 public:
  Relay(std::string host, std::uint16_t port);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  std::uint16_t port() const { return port_; }
  void cut();
  void mend();

 private:
  void listen();
  void run();

  std::string host_;
  std::uint16_t target_;
  std::uint16_t port_ = 0;
  FileDescriptor listener_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace mlpipe
