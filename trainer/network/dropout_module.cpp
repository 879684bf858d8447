#include "trainer/network/dropout_module.hpp"

#include <torch/nn/functional/dropout.h>

#include <cmath>
#include <limits>

namespace mlpipe {
namespace {

constexpr int choices = 1 << 16;

// What each value of `input` is multiplied with: 0 for `dropped` of 65,536 values, for the others what keeps
// the mean. In the input's memory format.
torch::Tensor mask_like(const torch::Tensor& input, int dropped) {
  const std::int64_t size = input.numel();
  const torch::Tensor bits =
      torch::empty({(size + 3) / 4}, torch::kInt64)
          .random_(std::numeric_limits<std::int64_t>::min(), std::optional<std::int64_t>())
          .view(torch::kInt16)
          .narrow(0, 0, size);
  torch::Tensor mask = torch::empty_like(input);
  mask.as_strided({size}, {1})
      .copy_(bits.ge(dropped - choices / 2))
      .mul_(static_cast<double>(choices) / (choices - dropped));
  return mask;
}

}  // namespace

DropoutModule::DropoutModule(double rate) : rate_(rate) {}

torch::Tensor DropoutModule::forward(const torch::Tensor& input) {
  const int dropped = static_cast<int>(std::lround(rate_ * choices));
  const bool cheap = input.is_cpu() && input.is_non_overlapping_and_dense() && dropped < choices;
  if (!is_training() || !cheap) {
    return torch::dropout(input, rate_, is_training());
  }
  return input * mask_like(input, dropped);
}

}  // namespace mlpipe
