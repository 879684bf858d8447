#pragma once

#include <ATen/core/Tensor.h>

namespace mlpipe {

// What torch::dropout does while training, with a mask that needs a quarter of the random numbers on the CPU,
// where they are drawn one after the other: sixteen bits for each value. Takes any shape; float dtypes. The
// numbers come from the default generator of the input's device. rate: the share of values that become 0,
// from 0 to 1; kept to a 65,536th on the CPU.
at::Tensor dropout(const at::Tensor& input, double rate);

}  // namespace mlpipe
