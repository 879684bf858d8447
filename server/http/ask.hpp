#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace mlpipe {

// A port of this machine to ask.
struct AskedPort {
  std::string host;  // numeric; the address of all interfaces means the loopback
  std::uint16_t port = 0;
  bool tls = false;  // its certificate is not looked at: it is not for the loopback
};

// The status of the answer to `GET path`. Throws Error when there is none within the time.
int ask_status(const AskedPort& port, const std::string& path, std::chrono::milliseconds time);

}  // namespace mlpipe
