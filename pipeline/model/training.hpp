#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/model/network.hpp"
#include "pipeline/model/training_data.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {

struct Optimizer {
  enum class Kind { adam, adamw, sgd, adadelta };
  Kind kind = Kind::adam;
  double learning_rate = 0.001;
  double momentum = 0;  // sgd
};

// What a step's `train:` says.
struct Training {
  TrainingData data;
  Network network;  // its shapes are inferred when data.shape says those of an example
  Optimizer optimizer;
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

std::string optimizer_name(Optimizer::Kind kind);

}  // namespace mlpipe
