#include "trainer/network/dropout.hpp"

#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cmath>
#include <limits>

namespace mlpipe {
namespace {

constexpr int choices = 1 << 16;

// What each value of `input` is multiplied with: 0 for `dropped` of 65,536 values, for the others what keeps
// the mean. In the input's memory format.
at::Tensor mask_like(const at::Tensor& input, int dropped) {
  const std::int64_t size = input.numel();
  const at::Tensor bits =
      at::empty({(size + 3) / 4}, at::kLong)
          .random_(std::numeric_limits<std::int64_t>::min(), std::optional<std::int64_t>())
          .view(at::kShort)
          .narrow(0, 0, size);
  at::Tensor mask = at::empty_like(input);
  mask.as_strided({size}, {1})
      .copy_(bits.ge(dropped - choices / 2))
      .mul_(static_cast<double>(choices) / (choices - dropped));
  return mask;
}

}  // namespace

at::Tensor dropout(const at::Tensor& input, double rate) {
  const int dropped = static_cast<int>(std::lround(rate * choices));
  const bool cheap = input.is_cpu() && input.is_non_overlapping_and_dense() && dropped < choices;
  return cheap ? input.mul(mask_like(input, dropped)) : at::dropout(input, rate, /*train=*/true);
}

}  // namespace mlpipe
