// The gRPC ring over loopback, with a model that the test controls.
#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <open_inference.grpc.pb.h>

#include <atomic>
#include <limits>
#include <mutex>
#include <thread>

#include "server/grpc/grpc_server.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;

// Example 0 is answered once the gate is open.
class Gate {
 public:
  void open() { opened_.set_value(); }
  void pass(std::span<const float> example) {
    if (example[0] == 0) {
      ++waiting_;
      is_open_.wait();
    }
  }
  void wait_for_one() const {
    while (waiting_ == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  std::promise<void> opened_;
  std::shared_future<void> is_open_ = opened_.get_future().share();
  std::atomic<int> waiting_{0};
};

// The protocol's service, and what it is told of the last one who asked.
class WatchedService : public InferenceService {
 public:
  explicit WatchedService(Engine& engine) : service_(make_inference_service(engine)) {}

  bool is_ready() const override { return service_->is_ready(); }
  bool is_ready(const std::string& model, const std::string& version) override {
    return service_->is_ready(model, version);
  }
  ServerDescription describe_server() const override { return service_->describe_server(); }
  ModelDescription describe_model(const std::string& model, const std::string& version) override {
    return service_->describe_model(model, version);
  }
  std::vector<VersionStatistics> statistics(const std::string& model, const std::string& version) override {
    return service_->statistics(model, version);
  }
  void infer(const std::string& model, const std::string& version, const ReadInferRequest& read,
             const InferClient& client, std::function<void(const InferResult&)> done) override {
    {
      const std::lock_guard lock(mutex_);
      last_ = client.cancelled;
      last_deadline_ = client.deadline;
    }
    service_->infer(model, version, read, client, std::move(done));
  }

  bool is_last_cancelled() const {
    const std::lock_guard lock(mutex_);
    return last_.stop_requested();
  }
  EngineClock::time_point last_deadline() const {
    const std::lock_guard lock(mutex_);
    return last_deadline_;
  }

 private:
  std::unique_ptr<InferenceService> service_;
  mutable std::mutex mutex_;
  std::stop_token last_;
  EngineClock::time_point last_deadline_ = EngineClock::time_point::max();
};

class GrpcServing : public testing::Test {
 protected:
  GrpcServing()
      : engine_(loader_of(small_model(),
                          [this](std::span<const float> example) {
                            gate_.pass(example);
                            return first_value_wins(example);
                          })),
        service_(engine_) {
    engine_.load("/models/small", "7");
    server_.reset(start_grpc(service_, {}));
    channel_ =
        grpc::CreateChannel(fmt::format("127.0.0.1:{}", server_->port()), grpc::InsecureChannelCredentials());
    stub_ = inference::GRPCInferenceService::NewStub(channel_);
  }

  static ModelInferRequest request(float first) {
    ModelInferRequest message;
    message.set_model_name("small");
    auto& input = *message.add_inputs();
    input.set_name("input");
    input.set_datatype("FP32");
    for (const std::int64_t size : {1, 1, 2, 2}) {
      input.add_shape(size);
    }
    for (const float value : {first, 0.0F, 0.0F, 0.0F}) {
      input.mutable_contents()->add_fp32_contents(value);
    }
    return message;
  }

  // The state that grpc.health.v1.Health/Check answers: 1 is SERVING.
  int health() const {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    const grpc::ByteBuffer empty(nullptr, 0);
    grpc::ByteBuffer answer;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &empty, &answer,
                   [&done](grpc::Status status) { done.set_value(std::move(status)); });
    EXPECT_TRUE(done.get_future().get().ok());
    grpc::Slice slice;
    EXPECT_TRUE(answer.DumpToSingleSlice(&slice).ok());
    return slice.size() == 2 && slice.begin()[0] == 8 ? slice.begin()[1] : 0;
  }

  Gate gate_;
  Engine engine_;
  WatchedService service_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
};

TEST_F(GrpcServing, Infers) {
  grpc::ClientContext context;
  ModelInferResponse response;
  ModelInferRequest asked = request(2);
  asked.set_id("x");
  const grpc::Status status = stub_->ModelInfer(&context, asked, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.model_name(), "small");
  EXPECT_EQ(response.model_version(), "7");
  EXPECT_EQ(response.id(), "x");
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.outputs(0).contents().fp32_contents(2), 0.5F);
  EXPECT_EQ(response.outputs(1).contents().bytes_contents(0), "2");
}

TEST_F(GrpcServing, SaysWhatIsWrong) {
  const auto fault = [this](const ModelInferRequest& asked) {
    grpc::ClientContext context;
    ModelInferResponse response;
    const grpc::Status status = stub_->ModelInfer(&context, asked, &response);
    return std::pair(status.error_code(), status.error_message());
  };
  ModelInferRequest asked = request(1);
  asked.set_model_name("large");
  EXPECT_EQ(fault(asked).first, grpc::StatusCode::NOT_FOUND);
  asked.clear_model_name();
  EXPECT_EQ(fault(asked),
            std::pair(grpc::StatusCode::INVALID_ARGUMENT, std::string("model_name: it is missing")));
  asked = request(1);
  asked.set_model_version("8");
  EXPECT_EQ(fault(asked).first, grpc::StatusCode::NOT_FOUND);
  asked = request(1);
  asked.mutable_inputs(0)->set_shape(1, 7);
  EXPECT_EQ(fault(asked), std::pair(grpc::StatusCode::INVALID_ARGUMENT,
                                    std::string("inputs[0].shape: [1, 7, 2, 2] does not fit [-1, 1, 2, 2]")));
  asked = request(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(fault(asked).second, "inputs[0].contents[0]: it is nan, a finite number is expected");
}

TEST_F(GrpcServing, DescribesItself) {
  const auto call = [](auto method, const auto& request, auto response) {
    grpc::ClientContext context;
    const grpc::Status status = method(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  };
  const auto live = [this](auto... all) { return stub_->ServerLive(all...); };
  const auto ready = [this](auto... all) { return stub_->ServerReady(all...); };
  const auto model_ready = [this](auto* context, const auto& request, auto* response) {
    return stub_->ModelReady(context, request, response);
  };
  const auto metadata = [this](auto* context, const auto& request, auto* response) {
    return stub_->ModelMetadata(context, request, response);
  };
  const auto statistics = [this](auto* context, const auto& request, auto* response) {
    return stub_->ModelStatistics(context, request, response);
  };
  EXPECT_TRUE(call(live, inference::ServerLiveRequest(), inference::ServerLiveResponse()).live());
  EXPECT_TRUE(call(ready, inference::ServerReadyRequest(), inference::ServerReadyResponse()).ready());
  inference::ModelReadyRequest which;
  which.set_name("small");
  EXPECT_TRUE(call(model_ready, which, inference::ModelReadyResponse()).ready());
  which.set_version("8");
  EXPECT_FALSE(call(model_ready, which, inference::ModelReadyResponse()).ready());
  inference::ModelMetadataRequest named;
  named.set_name("small");
  const auto described = call(metadata, named, inference::ModelMetadataResponse());
  EXPECT_EQ(described.versions(0), "7");
  EXPECT_EQ(described.inputs(0).shape(0), -1);
  EXPECT_EQ(described.outputs(1).datatype(), "BYTES");
  grpc::ClientContext context;
  ModelInferResponse response;
  EXPECT_TRUE(stub_->ModelInfer(&context, request(1), &response).ok());
  const auto counted =
      call(statistics, inference::ModelStatisticsRequest(), inference::ModelStatisticsResponse());
  ASSERT_EQ(counted.model_stats_size(), 1);
  EXPECT_EQ(counted.model_stats(0).inference_count(), 1U);
  EXPECT_EQ(counted.model_stats(0).inference_stats().success().count(), 1U);
}

TEST_F(GrpcServing, HealthFollowsDraining) {
  EXPECT_EQ(health(), 1);
  server_->begin_draining();
  EXPECT_EQ(health(), 2);
}

TEST_F(GrpcServing, ReflectionNamesTheService) {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool is_ok = false;
    EXPECT_TRUE(queue.Next(&tag, &is_ok));
    return is_ok;
  };
  const auto call =
      stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  EXPECT_TRUE(wait());
  const grpc::Slice list_services(std::string("\x3a\x00", 2));
  call->Write(grpc::ByteBuffer(&list_services, 1), nullptr);
  EXPECT_TRUE(wait());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  EXPECT_TRUE(wait());
  grpc::Slice slice;
  ASSERT_TRUE(answer.DumpToSingleSlice(&slice).ok());
  const std::string text(reinterpret_cast<const char*>(slice.begin()), slice.size());
  EXPECT_NE(text.find("inference.GRPCInferenceService"), std::string::npos);
  EXPECT_NE(text.find("grpc.health.v1.Health"), std::string::npos);
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
}

// One call is being computed, and another one waits behind it.
class GrpcQueue : public GrpcServing {
 protected:
  GrpcQueue() {
    stub_->async()->ModelInfer(&first_context_, &first_, &first_response_,
                               [this](grpc::Status status) { first_done_.set_value(std::move(status)); });
    gate_.wait_for_one();
  }
  ~GrpcQueue() override { first_end_.wait(); }

  // Of the call that came first, once it has ended.
  const grpc::Status& first_end() const { return first_end_.get(); }

  BatchCounts counts() { return engine_.current()->counts(); }

  grpc::ClientContext first_context_;
  ModelInferRequest first_ = request(0);
  ModelInferResponse first_response_;
  std::promise<grpc::Status> first_done_;
  std::shared_future<grpc::Status> first_end_ = first_done_.get_future().share();
};

TEST_F(GrpcQueue, ACancelledCallIsNotComputed) {
  grpc::ClientContext context;
  const ModelInferRequest asked = request(1);
  ModelInferResponse response;
  std::promise<grpc::Status> done;
  stub_->async()->ModelInfer(&context, &asked, &response,
                             [&done](grpc::Status status) { done.set_value(std::move(status)); });
  while (counts().waiting == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  context.TryCancel();
  EXPECT_EQ(done.get_future().get().error_code(), grpc::StatusCode::CANCELLED);
  while (!service_.is_last_cancelled()) {  // the server hears of it after the client
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  gate_.open();
  while (counts().requests + counts().failures < 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(counts().failures, 1U);
  EXPECT_EQ(counts().executions, 1U);
}

TEST_F(GrpcQueue, TheDeadlineOfACallIsThatOfItsRequest) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  ModelInferResponse response;
  EXPECT_EQ(stub_->ModelInfer(&context, request(1), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server heard of the call later than the client began to wait for it.
  const auto deadline = service_.last_deadline();
  EXPECT_LT(deadline, EngineClock::now() + std::chrono::seconds(10));
  std::this_thread::sleep_until(std::min(deadline, EngineClock::now() + std::chrono::seconds(10)));
  gate_.open();
  while (counts().requests + counts().failures < 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(counts().failures, 1U);
  EXPECT_EQ(counts().executions, 1U);
}

TEST_F(GrpcQueue, StoppingWaitsForWhatIsUnderWay) {
  std::jthread stopping([this] { server_->stop(std::chrono::seconds(60)); });
  gate_.open();
  EXPECT_TRUE(first_end().ok());
}

TEST_F(GrpcQueue, StoppingCutsOffWhatTakesTooLong) {
  grpc::ClientContext context;
  const ModelInferRequest asked = request(1);
  ModelInferResponse response;
  std::promise<grpc::Status> done;
  stub_->async()->ModelInfer(&context, &asked, &response,
                             [&done](grpc::Status status) { done.set_value(std::move(status)); });
  while (counts().waiting == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::jthread stopping([this] { server_->stop(std::chrono::milliseconds(1)); });
  EXPECT_FALSE(done.get_future().get().ok());
  EXPECT_FALSE(first_end().ok());
  gate_.open();
}

// What was told of calls.
class WatchingObserver : public CallObserver {
 public:
  struct Told {
    std::string method = {};
    std::string id = {};
    std::string traceparent = {};
    std::string model = {};
    std::size_t examples = 0;
    int status = 0;
    std::string code = {};
    std::string message = {};
    std::size_t bytes = 0;
  };

  std::unique_ptr<ObservedCall> begin(std::string_view method, const ClientsNames& names) override {
    class Call : public ObservedCall {
     public:
      Call(WatchingObserver& observer, Told told) : observer_(observer), told_(std::move(told)) {}
      const std::vector<Header>& headers() const override { return headers_; }
      void asked(std::string_view model, std::string_view, std::span<const float>,
                 std::size_t count) override {
        told_.model = model;
        told_.examples = count;
      }
      void end(const CallEnd& end) override {
        told_.status = end.status;
        told_.code = end.code;
        told_.message = end.message;
        told_.bytes = end.bytes;
        const std::lock_guard lock(observer_.mutex_);
        observer_.all_.push_back(told_);
      }

     private:
      WatchingObserver& observer_;
      Told told_;
      std::vector<Header> headers_ = {{"X-Request-Id", "given"}, {"traceparent", "00-x"}};
    };
    return std::make_unique<Call>(
        *this, Told{std::string(method), std::string(names.request_id), std::string(names.traceparent)});
  }

  std::vector<Told> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Told> all_;
};

TEST(GrpcObservation, EachCallIsToldOfAndAnsweredWithItsId) {
  Engine engine(loader_of(small_model(), first_value_wins));
  engine.load("/models/small", "7");
  const auto service = make_inference_service(engine);
  WatchingObserver observer;
  GrpcOptions options;
  options.observer = &observer;
  options.allow = [](std::string_view authorization) { return authorization == "Bearer t"; };
  const std::unique_ptr<GrpcServer> server(start_grpc(*service, options));
  const auto stub = inference::GRPCInferenceService::NewStub(
      grpc::CreateChannel(fmt::format("127.0.0.1:{}", server->port()), grpc::InsecureChannelCredentials()));
  ModelInferRequest asked;
  asked.set_model_name("small");
  auto& input = *asked.add_inputs();
  input.set_name("input");
  input.set_datatype("FP32");
  for (const std::int64_t size : {1, 1, 2, 2}) {
    input.add_shape(size);
  }
  const float values[] = {1, 0, 0, 0};
  asked.add_raw_input_contents(values, sizeof(values));

  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer t");
  context.AddMetadata("x-request-id", "mine");
  context.AddMetadata("traceparent", "00-a");
  ModelInferResponse response;
  ASSERT_TRUE(stub->ModelInfer(&context, asked, &response).ok());
  const auto& metadata = context.GetServerInitialMetadata();
  ASSERT_TRUE(metadata.contains("x-request-id") && metadata.contains("traceparent"));
  EXPECT_EQ(metadata.find("x-request-id")->second, "given");
  ASSERT_EQ(observer.all().size(), 1U);
  const WatchingObserver::Told told = observer.all().front();
  EXPECT_EQ(told.method, "/inference.GRPCInferenceService/ModelInfer");
  EXPECT_EQ(told.id, "mine");
  EXPECT_EQ(told.traceparent, "00-a");
  EXPECT_EQ(told.model, "small");
  EXPECT_EQ(told.examples, 1U);
  EXPECT_EQ(told.status, 200);
  EXPECT_EQ(told.code, "OK");
  EXPECT_EQ(told.bytes, response.ByteSizeLong());

  grpc::ClientContext without;
  EXPECT_FALSE(stub->ModelInfer(&without, asked, &response).ok());
  grpc::ClientContext unnamed;
  unnamed.AddMetadata("authorization", "Bearer t");
  inference::ModelMetadataResponse described;
  EXPECT_FALSE(stub->ModelMetadata(&unnamed, inference::ModelMetadataRequest(), &described).ok());
  ASSERT_EQ(observer.all().size(), 3U);
  EXPECT_EQ(observer.all()[1].code, "UNAUTHENTICATED");
  EXPECT_EQ(observer.all()[1].status, 401);
  EXPECT_EQ(observer.all()[2].method, "/inference.GRPCInferenceService/ModelMetadata");
  EXPECT_EQ(observer.all()[2].code, "INVALID_ARGUMENT");
  EXPECT_EQ(observer.all()[2].message, "name: it is missing");
}

TEST(GrpcAuthorization, IsAskedForWhereItIsWanted) {
  Engine engine(loader_of(small_model(), first_value_wins));
  engine.load("/models/small", "7");
  const auto service = make_inference_service(engine);
  GrpcOptions options;
  options.allow = [](std::string_view authorization) { return authorization == "Bearer t"; };
  const std::unique_ptr<GrpcServer> server(start_grpc(*service, options));
  const auto stub = inference::GRPCInferenceService::NewStub(
      grpc::CreateChannel(fmt::format("127.0.0.1:{}", server->port()), grpc::InsecureChannelCredentials()));
  const auto codes = [&stub](const char* authorization) {
    grpc::ClientContext live_context;
    grpc::ClientContext infer_context;
    for (grpc::ClientContext* each : {&live_context, &infer_context}) {
      if (authorization != nullptr) {
        each->AddMetadata("authorization", authorization);
      }
    }
    inference::ServerLiveResponse live;
    ModelInferResponse response;
    return std::pair(stub->ServerLive(&live_context, inference::ServerLiveRequest(), &live).error_code(),
                     stub->ModelInfer(&infer_context, ModelInferRequest(), &response).error_code());
  };
  constexpr auto refused = grpc::StatusCode::UNAUTHENTICATED;
  EXPECT_EQ(codes(nullptr), std::pair(refused, refused));
  EXPECT_EQ(codes("Bearer x"), std::pair(refused, refused));
  EXPECT_EQ(codes("Bearer t"), std::pair(grpc::StatusCode::OK, grpc::StatusCode::INVALID_ARGUMENT));
}

TEST(GrpcPort, ThatIsTakenIsAnError) {
  Engine engine(loader_of(small_model(), first_value_wins));
  const auto service = make_inference_service(engine);
  const std::unique_ptr<GrpcServer> first(start_grpc(*service, {}));
  GrpcOptions same;
  same.port = first->port();
  EXPECT_THROW(std::unique_ptr<GrpcServer>(start_grpc(*service, same)), Error);
}

}  // namespace
}  // namespace mlpipe
