#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/model/network.hpp"
#include "pipeline/model/optimization.hpp"
#include "pipeline/model/task.hpp"
#include "pipeline/model/training_data.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {

enum class RegressionLoss { mse, mae, huber };

// How much an example counts in the loss, by its class.
struct ClassWeights {
  bool balanced = false;       // by how rare the class is in the training part
  std::vector<double> values;  // in the order of the labels; empty: all the same
};

// What is minimised. The task says which loss it is; only a regression has a choice.
struct Loss {
  RegressionLoss regression = RegressionLoss::mse;
  ClassWeights weights;
  double label_smoothing = 0;  // the share of the truth that is spread over all labels
};

// The training ends when the metric got no better for so many epochs.
struct EarlyStopping {
  std::int64_t patience = 5;
  double min_delta = 0;  // what is no better by more than this is no better
};

enum class Select { last, best };  // the epoch whose weights are the model

enum class Precision { fp32, bf16 };  // of products and sums; the weights stay FP32

struct Device {
  enum class Kind { automatic, cpu, cuda };
  Kind kind = Kind::automatic;
  std::int64_t index = 0;  // cuda
};

// When a checkpoint is written besides the one at SIGTERM: after so many epochs or after so much time.
struct CheckpointEvery {
  std::int64_t epochs = 1;
  std::optional<std::chrono::milliseconds> time;  // then not by epochs
};

// What a step's `train:` says.
struct Training {
  TrainingData data;
  Network network;  // its shapes are inferred when data.shape says those of an example
  Task task = Task::classification;
  Loss loss;
  Optimizer optimizer;
  Schedule schedule;
  std::optional<double> clip;  // the largest norm of the gradient
  std::string metric;          // of the held-out part: what stopping, the best epoch and a plateau go by
  std::optional<EarlyStopping> early_stopping;
  Select select = Select::last;
  Precision precision = Precision::fp32;
  Device device;
  CheckpointEvery checkpoint;
  std::int64_t epochs = 10;
  std::int64_t batch = 32;
  std::uint64_t seed = 0;
  std::optional<std::int64_t> threads;  // otherwise all cores, or one for a small network
};

// What `train:` may be: read by the pipeline's parser and by mlpipe-train, so that they cannot differ.
const Schema& training_schema();

// Checks `train` against the schema and beyond it, and reads it. Every fault becomes a diagnostic; when there
// is one, what is returned is not to be used. Scalars that still hold an expression are not checked and read
// as their defaults, so a pipeline can be checked before its expressions have values.
Training read_training(const YamlNode& train, Diagnostics& diagnostics);

// The metrics of the held-out part that a training can go by; the first is what it goes by when nothing else
// is said.
std::vector<std::string> metrics_to_go_by(Task task);
bool lower_is_better(const std::string& metric);

}  // namespace mlpipe
