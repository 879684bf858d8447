#include "trainer/training/shared_gradient.hpp"

#include <ATen/ops/zeros.h>

namespace mlpipe {

SharedGradient::SharedGradient(std::vector<at::Tensor> weights, const ProcessGroup& group)
    : weights_(std::move(weights)), group_(group) {
  std::int64_t count = 0;
  for (const at::Tensor& weight : weights_) {
    count += weight.numel();
  }
  all_ = at::zeros({count + 2}, weights_.front().options().requires_grad(false));
  std::int64_t first = 0;
  for (at::Tensor& weight : weights_) {
    // In memory as the weight itself lies there: what moves the weights takes both for equal.
    weight.mutable_grad() =
        all_.narrow(0, first, weight.numel()).as_strided(weight.sizes(), weight.strides(), first);
    first += weight.numel();
  }
}

void SharedGradient::clear() {
  all_.zero_();
}

bool SharedGradient::add_up(at::Tensor& loss, bool asked_to_stop) {
  const std::int64_t gradients = all_.numel() - 2;
  all_[gradients].copy_(loss);
  all_[gradients + 1].fill_(asked_to_stop ? 1 : 0);
  group_.sum(all_);
  loss = all_[gradients].clone();
  return all_[gradients + 1].item<float>() > 0;
}

}  // namespace mlpipe
