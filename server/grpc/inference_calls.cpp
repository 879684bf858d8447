#include "server/grpc/inference_calls.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <variant>

#include "server/grpc/messages.hpp"

namespace mlpipe {
namespace {

// What is being handled.
Failure current_failure() {
  try {
    throw;
  } catch (const RequestError& failure) {
    return {failure.status(), failure.what()};
  } catch (const std::exception& failure) {
    return {500, failure.what()};
  }
}

// As gRPC wants the names of metadata.
std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char character) { return static_cast<char>(std::tolower(character)); });
  return text;
}

std::string_view metadata_of(const grpc::CallbackServerContext& context, const char* name) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(name);
  return found == metadata.end() ? std::string_view()
                                 : std::string_view(found->second.data(), found->second.size());
}

// The status of a call that has ended so, after its observer was told; null where nobody watches.
grpc::Status status_at_end(ObservedCall* observed, const std::optional<Failure>& failure,
                           const google::protobuf::Message& response) {
  grpc::Status status = failure ? status_of(*failure) : grpc::Status::OK;
  if (observed != nullptr) {
    observed->end({failure ? failure->status : 200, name_of(status.error_code()), status.error_message(),
                   failure ? 0 : response.ByteSizeLong()});
  }
  return status;
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
               inference::ModelInferResponse& response, std::unique_ptr<ObservedCall> observed)
      : calls_(calls), request_(request), response_(response), observed_(std::move(observed)) {
    calls_.begin_inference();
  }
  InferReactor(const InferReactor&) = delete;
  InferReactor& operator=(const InferReactor&) = delete;
  ~InferReactor() override { calls_.end_inference(); }

  void start(const grpc::CallbackServerContext& context) {
    try {
      calls_.require_allowed(context);
      require_name(request_.model_name(), "model_name");
    } catch (...) {
      finish(current_failure());
      return;
    }
    calls_.service_.infer(
        request_.model_name(), request_.model_version(),
        [this](const Model&) { return read_message(request_); },
        {deadline_of(context), cancelled_.get_token(),
         [this](const ModelVersion& version, std::span<const float> rows, std::size_t count) {
           if (observed_) {
             observed_->asked(version.model().name, version.label(), rows, count);
           }
         }},
        [this](const InferResult& result) { finish(written(result)); });
  }

  void OnCancel() override { cancelled_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  // Why there is no answer, if there is none.
  std::optional<Failure> written(const InferResult& result) {
    if (const auto* failure = std::get_if<Failure>(&result)) {
      return *failure;
    }
    try {
      write_message(std::get<InferAnswer>(result), request_.raw_input_contents_size() > 0, response_);
      return std::nullopt;
    } catch (...) {
      return current_failure();
    }
  }

  void finish(const std::optional<Failure>& failure) {
    Finish(status_at_end(observed_.get(), failure, response_));
  }

  InferenceCalls& calls_;
  const inference::ModelInferRequest& request_;
  inference::ModelInferResponse& response_;
  std::unique_ptr<ObservedCall> observed_;
  std::stop_source cancelled_;
};

InferenceCalls::Reactor* InferenceCalls::ServerLive(Context* context, const inference::ServerLiveRequest*,
                                                    inference::ServerLiveResponse* response) {
  return answer(*context, "/inference.GRPCInferenceService/ServerLive", *response,
                [&] { response->set_live(true); });
}

InferenceCalls::Reactor* InferenceCalls::ServerReady(Context* context, const inference::ServerReadyRequest*,
                                                     inference::ServerReadyResponse* response) {
  return answer(*context, "/inference.GRPCInferenceService/ServerReady", *response,
                [&] { response->set_ready(service_.is_ready()); });
}

InferenceCalls::Reactor* InferenceCalls::ModelReady(Context* context,
                                                    const inference::ModelReadyRequest* request,
                                                    inference::ModelReadyResponse* response) {
  return answer(*context, "/inference.GRPCInferenceService/ModelReady", *response, [&] {
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
  return answer(*context, "/inference.GRPCInferenceService/ServerMetadata", *response, [&] {
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
  return answer(*context, "/inference.GRPCInferenceService/ModelMetadata", *response, [&] {
    require_name(request->name(), "name");
    write_message(service_.describe_model(request->name(), request->version()), *response);
  });
}

InferenceCalls::Reactor* InferenceCalls::ModelInfer(Context* context,
                                                    const inference::ModelInferRequest* request,
                                                    inference::ModelInferResponse* response) {
  auto* reactor = new InferReactor(*this, *request, *response,
                                   observe(*context, "/inference.GRPCInferenceService/ModelInfer"));
  reactor->start(*context);
  return reactor;
}

InferenceCalls::Reactor* InferenceCalls::ModelStatistics(Context* context,
                                                         const inference::ModelStatisticsRequest* request,
                                                         inference::ModelStatisticsResponse* response) {
  return answer(*context, "/inference.GRPCInferenceService/ModelStatistics", *response,
                [&] { write_message(service_.statistics(request->name(), request->version()), *response); });
}

std::unique_ptr<ObservedCall> InferenceCalls::observe(Context& context, std::string_view method) const {
  if (observer_ == nullptr) {
    return nullptr;
  }
  std::unique_ptr<ObservedCall> observed =
      observer_->begin(method, {metadata_of(context, "x-request-id"), metadata_of(context, "traceparent"),
                                metadata_of(context, "tracestate")});
  for (const Header& header : observed->headers()) {
    context.AddInitialMetadata(in_lower_case(header.name), header.value);
  }
  return observed;
}

InferenceCalls::Reactor* InferenceCalls::answer(Context& context, std::string_view method,
                                                google::protobuf::Message& response,
                                                const std::function<void()>& write) const {
  const std::unique_ptr<ObservedCall> observed = observe(context, method);
  std::optional<Failure> failure;
  try {
    require_allowed(context);
    write();
  } catch (...) {
    failure = current_failure();
  }
  Reactor* reactor = context.DefaultReactor();
  reactor->Finish(status_at_end(observed.get(), failure, response));
  return reactor;
}

void InferenceCalls::require_allowed(const Context& context) const {
  if (!allow_) {
    return;
  }
  if (!allow_(metadata_of(context, "authorization"))) {
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
