#include "server/grpc/inference_calls.hpp"

#include <algorithm>
#include <stop_token>

#include "server/grpc/messages.hpp"

namespace mlpipe {
namespace {

grpc::Status not_allowed() {
  return {grpc::StatusCode::UNAUTHENTICATED, "authorization: it is missing or wrong"};
}

// gRPC's deadline, by the clock that the engine goes by.
EngineClock::time_point deadline_of(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return EngineClock::time_point::max();
  }
  const auto left = std::min<std::chrono::system_clock::duration>(deadline - std::chrono::system_clock::now(),
                                                                  std::chrono::hours(24));
  return EngineClock::now() + left;
}

}  // namespace

// One inference: it is here from the call to its end, and then deletes itself, as gRPC has it.
class InferReactor : public grpc::ServerUnaryReactor {
 public:
  InferReactor(InferenceCalls& calls, const inference::ModelInferRequest& request,
               inference::ModelInferResponse& response)
      : calls_(calls), request_(request), response_(response) {
    calls_.begin_inference();
  }
  InferReactor(const InferReactor&) = delete;
  InferReactor& operator=(const InferReactor&) = delete;
  ~InferReactor() override { calls_.end_inference(); }

  void start(const grpc::CallbackServerContext& context) {
    calls_.service_.infer(
        request_.model_name(), request_.model_version(),
        [this](const Model&) { return read_message(request_); },
        {deadline_of(context), cancelled_.get_token()},
        [this](const InferResult& result) { Finish(written(result)); });
  }

  void OnCancel() override { cancelled_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  grpc::Status written(const InferResult& result) {
    if (const auto* failure = std::get_if<Failure>(&result)) {
      return status_of(*failure);
    }
    try {
      write_message(std::get<InferAnswer>(result), request_.raw_input_contents_size() > 0, response_);
      return grpc::Status::OK;
    } catch (const std::exception& failure) {
      return status_of({500, failure.what()});
    }
  }

  InferenceCalls& calls_;
  const inference::ModelInferRequest& request_;
  inference::ModelInferResponse& response_;
  std::stop_source cancelled_;
};

bool InferenceCalls::may_pass(const Context& context) const {
  if (!allow_) {
    return true;
  }
  const auto found = context.client_metadata().find("authorization");
  return found != context.client_metadata().end() && allow_({found->second.data(), found->second.size()});
}

InferenceCalls::Reactor* InferenceCalls::answer(Context& context, const std::function<void()>& write) const {
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  try {
    write();
    reactor->Finish(grpc::Status::OK);
  } catch (const RequestError& failure) {
    reactor->Finish(status_of({failure.status(), failure.what()}));
  } catch (const std::exception& failure) {
    reactor->Finish(status_of({500, failure.what()}));
  }
  return reactor;
}

InferenceCalls::Reactor* InferenceCalls::answer_if_allowed(Context& context,
                                                           const std::function<void()>& write) const {
  if (may_pass(context)) {
    return answer(context, write);
  }
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  reactor->Finish(not_allowed());
  return reactor;
}

InferenceCalls::Reactor* InferenceCalls::ServerLive(Context* context, const inference::ServerLiveRequest*,
                                                    inference::ServerLiveResponse* response) {
  return answer(*context, [&] { response->set_live(true); });
}

InferenceCalls::Reactor* InferenceCalls::ServerReady(Context* context, const inference::ServerReadyRequest*,
                                                     inference::ServerReadyResponse* response) {
  return answer(*context, [&] { response->set_ready(service_.is_ready()); });
}

InferenceCalls::Reactor* InferenceCalls::ModelReady(Context* context,
                                                    const inference::ModelReadyRequest* request,
                                                    inference::ModelReadyResponse* response) {
  return answer(*context, [&] {
    try {
      response->set_ready(service_.is_ready(request->name(), request->version()));
    } catch (const RequestError&) {  // what is not there is not ready
      response->set_ready(false);
    }
  });
}

InferenceCalls::Reactor* InferenceCalls::ServerMetadata(Context* context,
                                                        const inference::ServerMetadataRequest*,
                                                        inference::ServerMetadataResponse* response) {
  return answer_if_allowed(*context, [&] {
    const ServerDescription server = service_.describe_server();
    response->set_name(server.name);
    response->set_version(server.version);
    response->add_extensions("classification");
    response->add_extensions("statistics");
  });
}

InferenceCalls::Reactor* InferenceCalls::ModelMetadata(Context* context,
                                                       const inference::ModelMetadataRequest* request,
                                                       inference::ModelMetadataResponse* response) {
  return answer_if_allowed(*context, [&] {
    write_message(service_.describe_model(request->name(), request->version()), *response);
  });
}

InferenceCalls::Reactor* InferenceCalls::ModelInfer(Context* context,
                                                    const inference::ModelInferRequest* request,
                                                    inference::ModelInferResponse* response) {
  if (!may_pass(*context)) {
    grpc::ServerUnaryReactor* refusing = context->DefaultReactor();
    refusing->Finish(not_allowed());
    return refusing;
  }
  auto* reactor = new InferReactor(*this, *request, *response);
  reactor->start(*context);
  return reactor;
}

InferenceCalls::Reactor* InferenceCalls::ModelStatistics(Context* context,
                                                         const inference::ModelStatisticsRequest* request,
                                                         inference::ModelStatisticsResponse* response) {
  return answer_if_allowed(
      *context, [&] { write_message(service_.statistics(request->name(), request->version()), *response); });
}

bool InferenceCalls::wait_until_idle(std::chrono::system_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [this] { return under_way_ == 0; });
}

void InferenceCalls::begin_inference() {
  const std::lock_guard lock(mutex_);
  ++under_way_;
}

void InferenceCalls::end_inference() {
  const std::lock_guard lock(mutex_);
  if (--under_way_ == 0) {
    idle_.notify_all();
  }
}

}  // namespace mlpipe
