#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/kubernetes/http.hpp"

namespace mlpipe {

// What one thread waits for: calls of the API, descriptors, times, and what other threads hand over. All of
// it is called back on the thread that is in run().
class Loop {
 public:
  using Act = std::function<void()>;
  using Timer = std::uint64_t;

  explicit Loop(std::string api_socket);

  Http& http() { return http_; }

  // Until stop().
  void run();
  void stop() { stopped_ = true; }

  // From any thread.
  void post(Act act);
  Timer after(std::chrono::milliseconds time, Act act);
  void cancel(Timer timer);
  // Calls back whenever the descriptor can be read, until it is forgotten. It stays the caller's.
  void watch(int descriptor, Act act);
  void forget(int descriptor);

 private:
  using Clock = std::chrono::steady_clock;

  void take_posts();
  void take_times();

  Http http_;
  FileDescriptor bell_;
  std::mutex mutex_;
  std::vector<Act> posts_;  // guarded by it
  std::map<int, Act> descriptors_;
  std::map<std::pair<Clock::time_point, Timer>, Act> timers_;
  std::map<Timer, Clock::time_point> times_;
  Timer last_timer_ = 0;
  bool stopped_ = false;
};

}  // namespace mlpipe
