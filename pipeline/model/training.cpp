#include "pipeline/model/training.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// A key that some tasks have no use for.
void only_for(const YamlNode& train, const char* key, bool fits, const char* hint, Diagnostics& diagnostics) {
  if (const YamlNode* node = train.find(key); node != nullptr && !fits) {
    const YamlNode* task = train.find("task");
    diagnostics.add(
        *node, fmt::format("the task {} has no {}", task == nullptr ? "classification" : task->scalar, key),
        hint);
  }
}

ClassWeights read_class_weights(const YamlNode* node) {
  ClassWeights weights;
  if (node == nullptr) {
    return weights;
  }
  weights.balanced = node->is_scalar() && node->scalar == "balanced";
  for (const YamlNode& item : node->items) {
    weights.values.push_back(number_or(&item, 1));
  }
  return weights;
}

Loss read_loss(const YamlNode& train, Task task, Diagnostics& diagnostics) {
  const bool classes = task != Task::regression;
  const bool likelihood = task == Task::classification || task == Task::binary;
  only_for(train, "loss", !classes,
           "take it out: what is minimised follows from the task; task: regression has a choice",
           diagnostics);
  only_for(train, "class-weights", classes, "take it out: there are no classes", diagnostics);
  only_for(train, "label-smoothing", likelihood, "take it out", diagnostics);
  Loss loss;
  const std::string word = text_or(train.find("loss"), "mse");
  loss.regression = word == "mae"     ? RegressionLoss::mae
                    : word == "huber" ? RegressionLoss::huber
                                      : RegressionLoss::mse;
  loss.weights = read_class_weights(train.find("class-weights"));
  loss.label_smoothing = number_or(train.find("label-smoothing"), 0);
  return loss;
}

void read_early_stopping(const YamlNode* node, Training& training, Diagnostics& diagnostics) {
  const std::vector<std::string> metrics = metrics_to_go_by(training.task);
  training.metric = metrics.front();
  if (node == nullptr) {
    return;
  }
  EarlyStopping stopping;
  stopping.patience = integer_or(node->find("patience"), stopping.patience);
  stopping.min_delta = number_or(node->find("min-delta"), stopping.min_delta);
  training.early_stopping = stopping;
  if (const YamlNode* metric = node->find("metric"); metric != nullptr && !holds_expression(*metric)) {
    training.metric = metric->scalar;
    if (std::find(metrics.begin(), metrics.end(), metric->scalar) == metrics.end()) {
      diagnostics.add(*metric,
                      fmt::format("the task {} has no metric '{}' to go by", task_name(training.task),
                                  printable(metric->scalar)),
                      fmt::format("one of: {}", join(metrics, ", ")));
    }
  }
}

// auto, cpu, cuda or cuda:1
Device read_device(const YamlNode* node, Diagnostics& diagnostics) {
  Device device;
  if (node == nullptr || holds_expression(*node) || node->scalar == "auto") {
    return device;
  }
  if (node->scalar == "cpu") {
    device.kind = Device::Kind::cpu;
    return device;
  }
  device.kind = Device::Kind::cuda;
  if (node->scalar == "cuda") {
    return device;
  }
  constexpr std::string_view prefix = "cuda:";
  constexpr std::int64_t most_devices = 128;
  const auto index =
      node->scalar.starts_with(prefix) ? parse_integer(node->scalar.substr(prefix.size())) : std::nullopt;
  if (!index || *index < 0 || *index >= most_devices) {
    diagnostics.add(*node, fmt::format("'{}' is no device", printable(node->scalar)),
                    "write auto, cpu, cuda, or cuda:1 for the second of several");
    return device;
  }
  device.index = *index;
  return device;
}

CheckpointEvery read_checkpoint(const YamlNode* node, Diagnostics& diagnostics) {
  CheckpointEvery result;
  const YamlNode* every = node == nullptr ? nullptr : node->find("every");
  if (every == nullptr || holds_expression(*every)) {
    return result;
  }
  if (const auto epochs = parse_integer(every->scalar); epochs && *epochs > 0) {
    result.epochs = *epochs;
  } else if (const auto time = parse_duration(every->scalar); time && time->count() > 0) {
    result.time = time;
  } else {
    diagnostics.add(*every,
                    fmt::format("'{}' says neither after how many epochs nor after how much time",
                                printable(every->scalar)),
                    "write, for example, every: 5 for epochs, or every: 60s");
  }
  return result;
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
  training.task = task_named(text_or(train.find("task"), "classification")).value_or(Task::classification);
  training.data = read_training_data(*train.find("data"), training.task, diagnostics);
  training.network = read_network(network, diagnostics);
  training.loss = read_loss(train, training.task, diagnostics);
  training.optimizer = read_optimizer(train.find("optimizer"), diagnostics);
  training.schedule = read_schedule(train.find("schedule"));
  if (const YamlNode* clip = train.find("clip")) {
    training.clip = as_number(*clip);
  }
  read_early_stopping(train.find("early-stopping"), training, diagnostics);
  training.select = text_or(train.find("select"), "last") == "best" ? Select::best : Select::last;
  training.precision = text_or(train.find("precision"), "fp32") == "bf16" ? Precision::bf16 : Precision::fp32;
  training.device = read_device(train.find("device"), diagnostics);
  training.checkpoint = read_checkpoint(train.find("checkpoint"), diagnostics);
  training.epochs = integer_or(train.find("epochs"), training.epochs);
  training.batch = integer_or(train.find("batch"), training.batch);
  training.seed = static_cast<std::uint64_t>(integer_or(train.find("seed"), 0));
  if (const YamlNode* threads = train.find("threads")) {
    training.threads = as_integer(*threads);
  }
  if (diagnostics.size() == faults && training.data.shape && !holds_expression(network)) {
    infer_shapes(training.network, *training.data.shape, std::nullopt, diagnostics, training.task);
  }
  return training;
}

std::vector<std::string> metrics_to_go_by(Task task) {
  switch (task) {
    case Task::classification:
      return {"accuracy", "loss", "top5_accuracy", "f1_macro"};
    case Task::binary:
      return {"accuracy", "loss", "roc_auc", "f1_macro"};
    case Task::svm:
      return {"accuracy", "loss", "f1_macro"};
    case Task::regression:
      return {"loss", "mae", "mse", "r2"};
  }
  return {};
}

bool lower_is_better(const std::string& metric) {
  return metric == "loss" || metric == "mae" || metric == "mse";
}

}  // namespace mlpipe
