#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <span>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training.hpp"
#include "trainer/data/batch_loader.hpp"
#include "trainer/data/dataset.hpp"

namespace mlpipe {

// What a training minimises, and what a network's last values mean as scores.
class Objective {
 public:
  // Throws UsageError when the class weights do not fit the labels.
  Objective(const Training& training, const Dataset& dataset, const TargetScale& scale, at::Device device);

  // What the network is to answer, on the CPU: classes [count], or standardised targets [count, width]. It
  // may lie in the batch's memory.
  at::Tensor truth(const LoadedBatch& batch) const;
  // The mean over the examples, by their classes' weights; FP32, on the device.
  at::Tensor loss(const at::Tensor& outputs, const at::Tensor& truth) const;
  // What that mean is divided by: the sum of the weights of these examples of the training part.
  double weight_of(std::span<const std::size_t> examples) const;
  // As a predictor gives them, [count, labels].
  at::Tensor scores(const at::Tensor& outputs) const;

 private:
  at::Tensor mean_by_class(const at::Tensor& losses, const at::Tensor& classes) const;

  Task task_;
  Loss loss_;
  std::span<const std::int64_t> classes_;  // of the training part
  std::vector<double> weights_;            // of the classes; empty: all the same
  at::Tensor device_weights_;
  at::Tensor offset_;  // of the targets, on the CPU
  at::Tensor divisor_;
};

}  // namespace mlpipe
