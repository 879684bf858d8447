// Asks a server on this machine for the same inference again and again over gRPC (Open Inference Protocol v2,
// raw contents) and prints, as JSON, how it was answered.
//
// usage: bench-grpc-load PORT MODEL CHANNELS IN-FLIGHT SECONDS
// A closed loop: so many calls are under way at any time, shared out over so many connections; the next one
// goes out when one is answered. What is sent is made once, for the shape that the model says it wants.
// Prints
// {"answers":N,"failures":N,"rate":N,"p50":MS,"p99":MS}; a failure's status goes to stderr, once.

#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <open_inference.grpc.pb.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* method = "/inference.GRPCInferenceService/ModelInfer";

std::shared_ptr<grpc::Channel> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // or all channels would share one connection
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// One example of the model's first input, every value within what a pixel has.
inference::ModelInferRequest request_for(const std::shared_ptr<grpc::Channel>& channel,
                                         const std::string& model) {
  grpc::ClientContext context;
  inference::ModelMetadataRequest asked;
  asked.set_name(model);
  inference::ModelMetadataResponse described;
  const grpc::Status status =
      inference::GRPCInferenceService::NewStub(channel)->ModelMetadata(&context, asked, &described);
  if (!status.ok()) {
    throw std::runtime_error(status.error_message());
  }
  inference::ModelInferRequest request;
  request.set_model_name(model);
  inference::ModelInferRequest::InferInputTensor& input = *request.add_inputs();
  input.set_name(described.inputs(0).name());
  input.set_datatype(described.inputs(0).datatype());
  std::int64_t count = 1;
  for (const std::int64_t size : described.inputs(0).shape()) {
    input.add_shape(size < 0 ? 1 : size);
    count *= size < 0 ? 1 : size;
  }
  std::string& bytes = *request.add_raw_input_contents();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i * 7919 % 256);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  request.add_outputs()->set_name("scores");
  return request;
}

// One call after the other.
class Caller {
 public:
  Caller(const std::shared_ptr<grpc::Channel>& channel, grpc::CompletionQueue& queue,
         const grpc::ByteBuffer& request)
      : stub_(channel), queue_(queue), request_(request) {}

  void call() {
    begin_ = Clock::now();
    context_ = std::make_unique<grpc::ClientContext>();
    answer_.Clear();
    reader_ = stub_.PrepareUnaryCall(context_.get(), method, request_, &queue_);
    reader_->StartCall();
    reader_->Finish(&answer_, &status_, this);
  }

  bool is_answered() const { return status_.ok() && answer_.Length() > 0; }
  const grpc::Status& status() const { return status_; }
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin_).count();
  }

 private:
  grpc::GenericStub stub_;
  grpc::CompletionQueue& queue_;
  const grpc::ByteBuffer& request_;
  Clock::time_point begin_;
  std::unique_ptr<grpc::ClientContext> context_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
};

double share(const std::vector<double>& sorted, double part) {
  const auto place = static_cast<std::size_t>(part * static_cast<double>(sorted.size()));
  return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, place)];
}

int run(const std::vector<std::string>& arguments) {
  const std::string address = "127.0.0.1:" + arguments[0];
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < std::stoi(arguments[2]); ++i) {
    channels.push_back(connect(address));
  }
  const std::string text = request_for(channels.at(0), arguments[1]).SerializeAsString();
  const grpc::Slice slice(text);
  const grpc::ByteBuffer request(&slice, 1);
  const std::chrono::duration<double> seconds(std::min(600.0, std::stod(arguments[4])));

  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Caller>> callers;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(seconds);
  for (int i = 0; i < std::stoi(arguments[3]); ++i) {
    callers.push_back(
        std::make_unique<Caller>(channels[static_cast<std::size_t>(i) % channels.size()], queue, request));
    callers.back()->call();
  }
  std::vector<double> times;
  std::size_t failures = 0;
  std::size_t under_way = callers.size();
  void* tag = nullptr;
  bool is_ok = false;
  while (under_way > 0 && queue.Next(&tag, &is_ok)) {
    auto& caller = *static_cast<Caller*>(tag);
    if (caller.is_answered()) {
      times.push_back(caller.milliseconds());
    } else if (failures++ == 0) {
      fmt::print(stderr, "bench-grpc-load: {}\n", caller.status().error_message());
    }
    if (Clock::now() < end) {
      caller.call();
    } else {
      --under_way;
    }
  }
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::sort(times.begin(), times.end());
  fmt::print("{{\"answers\":{},\"failures\":{},\"rate\":{:.1f},\"p50\":{:.3f},\"p99\":{:.3f}}}\n",
             times.size(), failures, static_cast<double>(times.size()) / took, share(times, 0.5),
             share(times, 0.99));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() != 5) {
    std::fputs("usage: bench-grpc-load PORT MODEL CHANNELS IN-FLIGHT SECONDS\n", stderr);
    return 2;
  }
  try {
    return run(arguments);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench-grpc-load: {}\n", failure.what());
    return 1;
  }
}
