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

  enum class Protocol { http, grpc };

  // One request that is being answered, for as long as it lives.
  class InFlight {
   public:
    explicit InFlight(Metrics& metrics, Protocol protocol = Protocol::http)
        : count_(protocol == Protocol::http ? metrics.http_in_flight_ : metrics.grpc_in_flight_) {
      ++count_;
    }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    ~InFlight() { --count_; }

   private:
    std::atomic<std::int64_t>& count_;
  };

  // `path` is a route's pattern, never what a client sent, so that there are few of them.
  void count_request(const std::string& path, int status, std::chrono::nanoseconds duration);

  // The same for gRPC: `method` is one of the service's, `code` is a name ("OK").
  void count_call(const std::string& method, const std::string& code, std::chrono::nanoseconds duration);

  // Prometheus's text format: requests, the engine's versions and loads, and the process.
  std::string text(const EngineState& engine) const;

 private:
  struct Collected;
  std::unique_ptr<Collected> collected_;
  std::atomic<std::int64_t> http_in_flight_{0};
  std::atomic<std::int64_t> grpc_in_flight_{0};
};

}  // namespace mlpipe
