#include "server/filter/call_observer.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace mlpipe {
namespace {

// What all calls share.
struct Observing {
  RequestLog log;
  UniqueNumbers numbers;
  Metrics& metrics;
  std::shared_ptr<RecentExamples> recent;
};

class Call : public ObservedCall {
 public:
  Call(Observing& observing, std::string_view method, const ClientsNames& names)
      : observing_(observing), in_flight_(std::in_place, observing.metrics, Metrics::Protocol::grpc) {
    record_.method = "gRPC";
    record_.route = method;
    identify(record_, names, observing_.numbers);
    headers_ = identity_headers(record_);
  }

  const std::vector<Header>& headers() const override { return headers_; }

  void asked(std::string_view model, std::string_view version, std::span<const float> rows,
             std::size_t count) override {
    record_.model = model;
    record_.version = version;
    if (observing_.recent && count == 1) {
      observing_.recent->remember(record_.id, {record_.model, record_.version, {rows.begin(), rows.end()}});
    }
  }

  void end(const CallEnd& end) override {
    const std::string method = record_.route.substr(record_.route.rfind('/') + 1);
    observing_.metrics.count_call(method, std::string(end.code),
                                  std::chrono::steady_clock::now() - record_.arrived);
    in_flight_.reset();
    observing_.log.log({record_, end.status, end.code, end.bytes, end.message});
  }

 private:
  Observing& observing_;
  std::optional<Metrics::InFlight> in_flight_;  // until it is answered
  RequestRecord record_;
  std::vector<Header> headers_;
};

class Observer : public CallObserver {
 public:
  Observer(ObservationOptions options, Metrics& metrics, std::shared_ptr<RecentExamples> recent)
      : observing_{RequestLog(std::move(options)), UniqueNumbers(), metrics, std::move(recent)} {}

  std::unique_ptr<ObservedCall> begin(std::string_view method, const ClientsNames& names) override {
    return std::make_unique<Call>(observing_, method, names);
  }

 private:
  Observing observing_;
};

}  // namespace

std::unique_ptr<CallObserver> make_call_observer(ObservationOptions options, Metrics& metrics,
                                                 std::shared_ptr<RecentExamples> recent) {
  return std::make_unique<Observer>(std::move(options), metrics, std::move(recent));
}

}  // namespace mlpipe
