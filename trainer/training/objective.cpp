#include "trainer/training/objective.hpp"

#include <ATen/core/Reduction.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/huber_loss.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

std::vector<double> class_weights(const ClassWeights& wanted, const Dataset& dataset) {
  const std::size_t labels = dataset.labels.size();
  if (!wanted.values.empty() && wanted.values.size() != labels) {
    throw UsageError(
        fmt::format("class-weights has {} numbers, and the data has {} labels", wanted.values.size(), labels),
        "write one for each label, in their order, or class-weights: balanced");
  }
  if (!wanted.balanced) {
    return wanted.values;
  }
  std::vector<double> weights(labels, 0);
  for (const std::int64_t label : dataset.training.targets.classes) {
    weights[static_cast<std::size_t>(label)] += 1;
  }
  for (double& weight : weights) {
    weight = static_cast<double>(dataset.training.count()) / (static_cast<double>(labels) * weight);
  }
  return weights;
}

// Tensors over memory of others, which from_blob wants to be not const; nothing here writes to it.
at::Tensor view_of(std::span<const float> values, at::IntArrayRef sizes) {
  return at::from_blob(const_cast<float*>(values.data()), sizes, at::kFloat);
}

}  // namespace

Objective::Objective(const Training& training, const Dataset& dataset, const TargetScale& scale,
                     at::Device device)
    : task_(training.task),
      loss_(training.loss),
      classes_(dataset.training.targets.classes),
      weights_(training.task == Task::regression ? std::vector<double>()
                                                 : class_weights(training.loss.weights, dataset)) {
  if (!weights_.empty()) {
    device_weights_ = at::tensor(weights_, at::kFloat).to(device);
  }
  if (!scale.offset.empty()) {
    offset_ = at::tensor(scale.offset, at::kFloat);
    divisor_ = at::tensor(scale.divisor, at::kFloat);
  }
}

at::Tensor Objective::truth(const LoadedBatch& batch) const {
  const auto count = static_cast<std::int64_t>(batch.count);
  if (task_ != Task::regression) {
    return at::from_blob(const_cast<std::int64_t*>(batch.classes.data()), {count}, at::kLong);
  }
  const auto width = static_cast<std::int64_t>(batch.targets.size() / batch.count);
  const at::Tensor targets = view_of(batch.targets, {count, width});
  return offset_.defined() ? targets.sub(offset_).div_(divisor_) : targets;
}

at::Tensor Objective::mean_by_class(const at::Tensor& losses, const at::Tensor& classes) const {
  if (!device_weights_.defined()) {
    return losses.mean();
  }
  const at::Tensor weights = device_weights_.index_select(0, classes);
  return losses.mul(weights).sum().div(weights.sum());
}

at::Tensor Objective::loss(const at::Tensor& outputs, const at::Tensor& truth) const {
  const at::Tensor values = outputs.to(at::kFloat);
  switch (task_) {
    case Task::classification:
      return at::cross_entropy_loss(values, truth, device_weights_, at::Reduction::Mean, -100,
                                    loss_.label_smoothing);
    case Task::binary: {
      const at::Tensor wanted =
          truth.to(at::kFloat).mul_(1 - loss_.label_smoothing).add_(loss_.label_smoothing / 2);
      return mean_by_class(
          at::binary_cross_entropy_with_logits(values.squeeze(1), wanted, {}, {}, at::Reduction::None),
          truth);
    }
    case Task::svm: {
      const at::Tensor signs = at::ones_like(values).neg_().scatter_(1, truth.unsqueeze(1), 1);
      return mean_by_class(at::relu(values.mul(signs).neg().add(1)).sum(1), truth);
    }
    case Task::regression:
      break;
  }
  switch (loss_.regression) {
    case RegressionLoss::mae:
      return at::l1_loss(values, truth);
    case RegressionLoss::huber:
      return at::huber_loss(values, truth);
    case RegressionLoss::mse:
      break;
  }
  return at::mse_loss(values, truth);
}

double Objective::weight_of(std::span<const std::size_t> examples) const {
  if (weights_.empty()) {
    return static_cast<double>(examples.size());
  }
  double sum = 0;
  for (const std::size_t example : examples) {
    sum += weights_[static_cast<std::size_t>(classes_[example])];
  }
  return sum;
}

at::Tensor Objective::scores(const at::Tensor& outputs) const {
  const at::Tensor values = outputs.to(at::kCPU, at::kFloat);
  switch (task_) {
    case Task::classification:
      return at::softmax(values, 1);
    case Task::binary: {
      const at::Tensor second = at::sigmoid(values);
      return at::cat({second.neg().add_(1), second}, 1);
    }
    case Task::svm:
      return values;
    case Task::regression:
      break;
  }
  return offset_.defined() ? values.mul(divisor_).add_(offset_) : values;
}

}  // namespace mlpipe
