#include "trainer/training/adadelta.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

namespace mlpipe {

Adadelta::Adadelta(std::vector<torch::Tensor> parameters, const AdadeltaOptions& options)
    : Optimizer(std::move(parameters), std::make_unique<AdadeltaOptions>(options)) {
  for (const torch::Tensor& parameter : param_groups_.front().params()) {
    means_.push_back({at::zeros_like(parameter), at::zeros_like(parameter)});
  }
}

torch::Tensor Adadelta::step(LossClosure closure) {
  torch::Tensor loss;
  if (closure) {
    const at::AutoGradMode with_gradient(true);
    loss = closure();
  }
  const at::NoGradGuard no_grad;
  const auto& options = static_cast<const AdadeltaOptions&>(param_groups_.front().options());
  std::vector<torch::Tensor>& parameters = param_groups_.front().params();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const torch::Tensor gradient = parameters[i].grad();
    if (!gradient.defined()) {
      continue;
    }
    auto& [squared_gradient, squared_change] = means_[i];
    squared_gradient.mul_(options.decay).addcmul_(gradient, gradient, 1 - options.decay);
    const torch::Tensor change = squared_change.add(options.epsilon)
                                     .sqrt_()
                                     .div_(squared_gradient.add(options.epsilon).sqrt_())
                                     .mul_(gradient);
    squared_change.mul_(options.decay).addcmul_(change, change, 1 - options.decay);
    parameters[i].add_(change, -options.learning_rate);
  }
  return loss;
}

}  // namespace mlpipe
