#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>

namespace mlpipe {

// What came of a call. Without an answer `status` is 0, and `fault` says why.
struct ApiAnswer {
  int status = 0;
  std::string body;  // of a streamed call only what is no success
  std::string fault;

  bool succeeded() const { return status >= 200 && status < 300; }
};

struct ApiCall {
  std::string method = "GET";
  std::string path;  // with the query
  std::string body;  // JSON
  // Gets the body of a success piece by piece, while the call goes on.
  std::function<void(std::string_view)> receive;
  std::function<void(const ApiAnswer&)> done;
};

// Calls of an HTTP server at a Unix socket, any number at once, on one thread. Nothing is called back but
// from deliver(); what is called back may begin and abandon calls.
class Http {
 public:
  using Id = std::uint64_t;

  explicit Http(std::string socket);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  Id begin(ApiCall call);
  // Nothing more is heard of it.
  void abandon(Id id);

  // Waits for bytes, for one of the descriptors, or until the time is over. Sets their `revents`.
  void wait(std::span<pollfd> others, std::chrono::milliseconds at_most);
  // Calls back for what has arrived.
  void deliver();

 private:
  struct Exchange;
  struct Multi;

  void take_endings();

  std::string socket_;
  std::unique_ptr<Multi> multi_;
  std::map<Id, std::unique_ptr<Exchange>> exchanges_;
  Id last_ = 0;
};

}  // namespace mlpipe
