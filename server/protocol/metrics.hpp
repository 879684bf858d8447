#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/engine/engine.hpp"

namespace mlpipe {

// What is counted about requests, and the text of /metrics. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // One request that is being answered, for as long as it lives.
  class InFlight {
   public:
    explicit InFlight(Metrics& metrics) : count_(metrics.in_flight_) { ++count_; }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    ~InFlight() { --count_; }

   private:
    std::atomic<std::int64_t>& count_;
  };

  // `path` is a route's pattern, never what a client sent, so that there are few of them.
  void count_request(const std::string& path, int status, std::chrono::nanoseconds duration);

  // Prometheus's text format: requests, the engine's versions and loads, and the process.
  std::string text(const EngineState& engine) const;

 private:
  struct Collected;
  std::unique_ptr<Collected> collected_;
  std::atomic<std::int64_t> in_flight_{0};
};

}  // namespace mlpipe
