#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/model/optimization.hpp"

namespace mlpipe {

// Moves weights against their gradients, with PyTorch's formulas and defaults. Where libtorch has a kernel
// that does it in one pass (adam, adamw, sgd) that is what runs; the others work in blocks that stay in the
// cache. Its state is tensors like the weights, so that a checkpoint can hold it.
class WeightOptimizer {
 public:
  WeightOptimizer(const Optimizer& optimizer, std::vector<at::Tensor> weights);

  // One step by the weights' gradients; a weight without one is left as it is.
  void step(double learning_rate);

  // "momentum.0" for the first weight, and so on; the tensors themselves, to copy from or into.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  void step_adam(const std::vector<at::Tensor>& gradients, double learning_rate);
  void step_sgd(const std::vector<at::Tensor>& gradients, double learning_rate);

  Optimizer optimizer_;
  std::vector<at::Tensor> weights_;
  std::vector<std::string> names_;                // of what is kept for each weight
  std::vector<std::vector<at::Tensor>> moments_;  // [names][weights]
  std::int64_t steps_ = 0;
};

}  // namespace mlpipe
