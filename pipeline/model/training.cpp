#include "pipeline/model/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/scalar.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {
namespace {

constexpr std::array<std::pair<const char*, Optimizer::Kind>, 4> optimizers = {{
    {"adam", Optimizer::Kind::adam},
    {"adamw", Optimizer::Kind::adamw},
    {"sgd", Optimizer::Kind::sgd},
    {"adadelta", Optimizer::Kind::adadelta},
}};

double default_learning_rate(Optimizer::Kind kind) {
  switch (kind) {
    case Optimizer::Kind::sgd:
      return 0.01;
    case Optimizer::Kind::adadelta:
      return 1;
    default:
      return 0.001;
  }
}

Optimizer read_optimizer(const YamlNode* node) {
  Optimizer optimizer;
  if (node == nullptr) {
    return optimizer;
  }
  const std::string& name = node->is_scalar() ? node->scalar : node->entries.front().key;
  for (const auto& [word, kind] : optimizers) {
    if (name == word) {
      optimizer.kind = kind;
    }
  }
  const YamlNode* numbers = node->find(name);
  optimizer.learning_rate =
      number_or(numbers == nullptr ? nullptr : numbers->find("lr"), default_learning_rate(optimizer.kind));
  optimizer.momentum = number_or(numbers == nullptr ? nullptr : numbers->find("momentum"), 0);
  return optimizer;
}

}  // namespace

Training read_training(const YamlNode& train, Diagnostics& diagnostics) {
  const std::size_t faults = diagnostics.size();
  check_schema(training_schema(), train, diagnostics);
  if (diagnostics.size() != faults) {
    return {};
  }
  Training training;
  const YamlNode& network = *train.find("network");
  training.data = read_training_data(*train.find("data"), Task::classification, diagnostics);
  training.network = read_network(network, diagnostics);
  training.optimizer = read_optimizer(train.find("optimizer"));
  training.epochs = integer_or(train.find("epochs"), training.epochs);
  training.batch = integer_or(train.find("batch"), training.batch);
  training.seed = static_cast<std::uint64_t>(integer_or(train.find("seed"), 0));
  if (const YamlNode* threads = train.find("threads")) {
    training.threads = as_integer(*threads);
  }
  if (diagnostics.size() == faults && training.data.shape && !holds_expression(network)) {
    infer_shapes(training.network, *training.data.shape, std::nullopt, diagnostics);
  }
  return training;
}

std::string optimizer_name(Optimizer::Kind kind) {
  for (const auto& [name, value] : optimizers) {
    if (kind == value) {
      return name;
    }
  }
  return "adam";
}

}  // namespace mlpipe
