#pragma once

#include <torch/optim/optimizer.h>

#include <vector>

namespace mlpipe {

struct AdadeltaOptions : public torch::optim::OptimizerCloneableOptions<AdadeltaOptions> {
  double learning_rate = 1;
  double decay = 0.9;  // of both running means; PyTorch's rho
  double epsilon = 1e-6;

  double get_lr() const override { return learning_rate; }
  void set_lr(const double rate) override { learning_rate = rate; }
};

// Adadelta (M. Zeiler, 2012) with PyTorch's defaults; libtorch has it in Python only.
class Adadelta : public torch::optim::Optimizer {
 public:
  Adadelta(std::vector<torch::Tensor> parameters, const AdadeltaOptions& options);
  torch::Tensor step(LossClosure closure = nullptr) override;

 private:
  struct RunningMeans {
    torch::Tensor squared_gradient;
    torch::Tensor squared_change;
  };
  std::vector<RunningMeans> means_;  // one for each parameter
};

}  // namespace mlpipe
