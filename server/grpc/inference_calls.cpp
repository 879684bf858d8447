#include "server/grpc/inference_calls.hpp"

#include <algorithm>
#include <functional>
#include <stop_token>

#include "server/grpc/messages.hpp"

namespace mlpipe {
namespace {

// What is being handled, as a status.
grpc::Status current_failure() {
  try {
    throw;
  } catch (const RequestError& failure) {
    return status_of({failure.status(), failure.what()});
  } catch (const std::exception& failure) {
    return status_of({500, failure.what()});
  }
}

void require_name(const std::string& name, const char* field) {
  if (name.empty()) {
    throw RequestError(400, std::string(field) + ": it is missing");
  }
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
    } catch (...) {
      return current_failure();
    }
  }

  InferenceCalls& calls_;
  const inference::ModelInferRequest& request_;
  inference::ModelInferResponse& response_;
  std::stop_source cancelled_;
};

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
    require_name(request->name(), "name");
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
  return answer(*context, [&] {
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
  return answer(*context, [&] {
    require_name(request->name(), "name");
    write_message(service_.describe_model(request->name(), request->version()), *response);
  });
}

InferenceCalls::Reactor* InferenceCalls::ModelInfer(Context* context,
                                                    const inference::ModelInferRequest* request,
                                                    inference::ModelInferResponse* response) {
  try {
    require_allowed(*context);
    require_name(request->model_name(), "model_name");
  } catch (...) {
    Reactor* refused = context->DefaultReactor();
    refused->Finish(current_failure());
    return refused;
  }
  auto* reactor = new InferReactor(*this, *request, *response);
  reactor->start(*context);
  return reactor;
}

InferenceCalls::Reactor* InferenceCalls::ModelStatistics(Context* context,
                                                         const inference::ModelStatisticsRequest* request,
                                                         inference::ModelStatisticsResponse* response) {
  return answer(*context,
                [&] { write_message(service_.statistics(request->name(), request->version()), *response); });
}

InferenceCalls::Reactor* InferenceCalls::answer(Context& context, const std::function<void()>& write) const {
  Reactor* reactor = context.DefaultReactor();
  try {
    require_allowed(context);
    write();
    reactor->Finish(grpc::Status::OK);
  } catch (...) {
    reactor->Finish(current_failure());
  }
  return reactor;
}

void InferenceCalls::require_allowed(const Context& context) const {
  if (!allow_) {
    return;
  }
  const auto& metadata = context.client_metadata();
  const auto given = metadata.find("authorization");
  if (!allow_(given == metadata.end() ? std::string_view()
                                      : std::string_view(given->second.data(), given->second.size()))) {
    throw RequestError(401, "authorization: it is missing or wrong");
  }
}

void InferenceCalls::wait_until_idle(std::chrono::system_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  idle_.wait_until(lock, deadline, [this] { return under_way_ == 0; });
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
