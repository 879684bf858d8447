#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "pipeline/model/network.hpp"

namespace mlpipe {

// A part of a network that answers: FP32 [batch, …] → [batch, …]. Called in inference mode, by any number of
// threads at once; does not write to what it is given.
using InferenceStep = std::function<at::Tensor(const at::Tensor&)>;

// The two layers that do nearly all of a network's arithmetic, for weights that no longer change: packed once
// into the order in which oneDNN reads them, a relu done while the outputs are still in registers. What comes
// is a tensor of its own, that the next step may overwrite. Where libtorch was built without oneDNN, or does
// not use it here, they compute what at::conv2d and at::linear do.

// Images in channels-last memory, both ways. weight [out, in, kernel, kernel], bias [out]. `input` is the
// shape of one example, `batch` how many the weights are packed for; others work as well.
InferenceStep packed_convolution(const at::Tensor& weight, const at::Tensor& bias,
                                 const Convolution& convolution, const Shape& input, std::int64_t batch,
                                 bool relu);

// weight [out, in], bias [out].
InferenceStep packed_linear(const at::Tensor& weight, const at::Tensor& bias, bool relu);

}  // namespace mlpipe
