#pragma once

#include <cstdint>
#include <string>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"

namespace mlpipe {

// How the weights are moved.
struct Optimizer {
  enum class Kind { adam, adamw, sgd, adadelta, rmsprop };
  Kind kind = Kind::adam;
  double learning_rate = 0.001;
  double momentum = 0;      // sgd, rmsprop
  bool nesterov = false;    // sgd: the gradient is looked at ahead by the momentum
  double weight_decay = 0;  // added to the gradient; adamw: taken off the weights
};

// How the learning rate changes from the optimizer's own.
struct Schedule {
  enum class Kind { constant, step, cosine, plateau };
  Kind kind = Kind::constant;
  double warmup = 0;          // epochs in which it rises from zero in a straight line
  std::int64_t every = 10;    // step: epochs after which it is multiplied by the factor
  double factor = 0.1;        // step, plateau
  std::int64_t patience = 5;  // plateau: epochs without a better metric before it is multiplied
  double least = 0;           // cosine: where it ends; plateau: it does not fall below
};

Schema optimizer_schema();
Schema schedule_schema();

// Read what has passed the schema; null is the default. What is wrong beyond the schema becomes a diagnostic.
Optimizer read_optimizer(const YamlNode* node, Diagnostics& diagnostics);
Schedule read_schedule(const YamlNode* node);

// The words that they are written with.
std::string optimizer_name(Optimizer::Kind kind);
std::string schedule_name(Schedule::Kind kind);

}  // namespace mlpipe
