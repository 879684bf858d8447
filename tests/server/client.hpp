#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// What came back, as it stood on the wire.
struct WireResponse {
  int status = 0;
  std::string head;  // status line and headers
  std::string body;

  std::string header(std::string_view name) const;  // empty: there is none
};

// One connection to a port of this machine that sends bytes as they are, also wrong ones. Blocking, with a
// time limit of 20 s for each read, so that a test fails rather than hangs. Reading throws Error when the
// server closed.
class WireClient {
 public:
  explicit WireClient(std::uint16_t port);

  void send(std::string_view bytes);
  // The next answer; `has_body` is false for HEAD.
  WireResponse receive(bool has_body = true);
  WireResponse post(const std::string& path, std::string_view body, const std::string& headers = "");
  WireResponse get(const std::string& path, const std::string& headers = "");
  // True once the server has closed and nothing is left to read.
  bool is_closed();

 private:
  bool fill();

  FileDescriptor socket_;
  std::string received_;
};

// One request on a connection of its own.
WireResponse post_once(std::uint16_t port, const std::string& path, std::string_view body,
                       const std::string& headers = "");

}  // namespace mlpipe
