#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/protocol/failure.hpp"
#include "server/protocol/v2/infer.hpp"

namespace mlpipe {

struct TensorDescription {
  std::string name;
  std::string datatype;
  Shape shape;  // -1: any size
};

struct ModelDescription {
  std::string name;
  std::vector<std::string> versions;  // all that are loaded
  std::string platform;
  std::vector<TensorDescription> inputs;
  std::vector<TensorDescription> outputs;
};

struct ServerDescription {
  std::string name;
  std::string version;
};

// What one version has answered so far.
struct VersionStatistics {
  std::string model;
  std::string version;
  BatchCounts counts;
};

// Who waits for an inference, and how long.
struct InferClient {
  EngineClock::time_point deadline = EngineClock::time_point::max();
  std::stop_token cancelled = {};
  // Told who answers, and the examples, FP32 [count, values], before they are submitted; may be null.
  std::function<void(const ModelVersion& version, std::span<const float> rows, std::size_t count)> started =
      {};
};

// Reads a request that is for this model. What it throws is the result.
using ReadInferRequest = std::function<InferRequest(const Model& model)>;
using InferResult = std::variant<InferAnswer, Failure>;

// The Open Inference Protocol v2 without a transport. An interface, so that the gRPC ring, which is loaded
// only when it is asked for, needs no symbol of the program. Thread-safe.
//
// An empty model is the default one, an empty version leaves the choice to the weights. Whatever names a
// model throws RequestError: 404 for one that is unknown, 503 while there is none at all.
class InferenceService {
 public:
  virtual ~InferenceService() = default;

  // Whether it answers, and is not about to end.
  virtual bool is_ready() const = 0;
  virtual bool is_ready(const std::string& model, const std::string& version) = 0;
  virtual ServerDescription describe_server() const = 0;
  virtual ModelDescription describe_model(const std::string& model, const std::string& version) = 0;
  // Of a version, of all versions of a model, or of all models.
  virtual std::vector<VersionStatistics> statistics(const std::string& model, const std::string& version) = 0;

  // Picks the version, reads the request with `read` when there is room for it, and calls `done` once: at
  // once or later, by any thread. Nothing is thrown; what went wrong is the result.
  virtual void infer(const std::string& model, const std::string& version, const ReadInferRequest& read,
                     const InferClient& client, std::function<void(const InferResult&)> done) = 0;
};

// The engine must outlive it and what was asked of it.
std::unique_ptr<InferenceService> make_inference_service(Engine& engine);

}  // namespace mlpipe
