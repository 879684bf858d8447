#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "server/feedback/recent_examples.hpp"
#include "server/filter/request_identity.hpp"
#include "server/filter/request_log.hpp"
#include "server/http/message.hpp"
#include "server/protocol/metrics.hpp"

namespace mlpipe {

// How a call was answered.
struct CallEnd {
  int status = 200;               // in HTTP's terms
  std::string_view code;          // in gRPC's: "NOT_FOUND"
  std::string_view message = {};  // of a failure
  std::size_t bytes = 0;          // of the answer
};

// A call that is being answered.
class ObservedCall {
 public:
  virtual ~ObservedCall() = default;
  // What the answer repeats, by the names that HTTP has for it. Valid for as long as this.
  virtual const std::vector<Header>& headers() const = 0;
  // Who computes it, and what was asked: FP32 [count, values], raw.
  virtual void asked(std::string_view model, std::string_view version, std::span<const float> rows,
                     std::size_t count) = 0;
  // To be called once, before the answer goes out.
  virtual void end(const CallEnd& end) = 0;
};

// What observation(), the router's counting and example_keeping() are for HTTP, for calls that are no HTTP
// requests of ours. An interface, so that the gRPC ring, which is loaded only when it is asked for, needs no
// symbol of the program. Thread-safe.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // `method` as the log names it, a literal: "/inference.GRPCInferenceService/ModelInfer".
  virtual std::unique_ptr<ObservedCall> begin(std::string_view method, const ClientsNames& names) = 0;
};

// The metrics must outlive it; with null `recent` no example is remembered.
std::unique_ptr<CallObserver> make_call_observer(ObservationOptions options, Metrics& metrics,
                                                 std::shared_ptr<RecentExamples> recent);

}  // namespace mlpipe
