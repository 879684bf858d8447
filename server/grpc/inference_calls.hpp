#pragma once

#include <open_inference.grpc.pb.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "server/filter/call_observer.hpp"
#include "server/grpc/arena_messages.hpp"
#include "server/protocol/v2/service.hpp"

namespace mlpipe {

// inference.GRPCInferenceService over the protocol's service, which must outlive it. Answers come from
// whatever thread computes them; a call that is cancelled takes its request out of the queue.
class InferenceCalls : public inference::GRPCInferenceService::CallbackService {
 public:
  // `allow` and `observer` as in GrpcOptions.
  InferenceCalls(InferenceService& service, std::function<bool(std::string_view authorization)> allow,
                 CallObserver* observer)
      : service_(service), allow_(std::move(allow)), observer_(observer) {
    SetMessageAllocatorFor_ModelInfer(&messages_);
  }

  // Returns once no inference is under way, or at the deadline.
  void wait_until_idle(std::chrono::system_clock::time_point deadline);

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* ServerLive(Context* context, const inference::ServerLiveRequest* request,
                      inference::ServerLiveResponse* response) override;
  Reactor* ServerReady(Context* context, const inference::ServerReadyRequest* request,
                       inference::ServerReadyResponse* response) override;
  Reactor* ModelReady(Context* context, const inference::ModelReadyRequest* request,
                      inference::ModelReadyResponse* response) override;
  Reactor* ServerMetadata(Context* context, const inference::ServerMetadataRequest* request,
                          inference::ServerMetadataResponse* response) override;
  Reactor* ModelMetadata(Context* context, const inference::ModelMetadataRequest* request,
                         inference::ModelMetadataResponse* response) override;
  Reactor* ModelInfer(Context* context, const inference::ModelInferRequest* request,
                      inference::ModelInferResponse* response) override;
  Reactor* ModelStatistics(Context* context, const inference::ModelStatisticsRequest* request,
                           inference::ModelStatisticsResponse* response) override;

 private:
  friend class InferReactor;
  void begin_inference();
  void end_inference();

  // Throws what it is refused with, if it is.
  void require_allowed(const Context& context) const;
  // Null when nobody watches.
  std::unique_ptr<ObservedCall> observe(Context& context, std::string_view method) const;
  // Answers at once; what is thrown becomes the status.
  Reactor* answer(Context& context, std::string_view method, google::protobuf::Message& response,
                  const std::function<void()>& write) const;

  InferenceService& service_;
  std::function<bool(std::string_view authorization)> allow_;
  CallObserver* observer_;
  ArenaMessages messages_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t under_way_ = 0;
};

}  // namespace mlpipe
