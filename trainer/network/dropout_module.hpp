#pragma once

#include <torch/nn/cloneable.h>

namespace mlpipe {

// What torch::nn::Dropout does, with a mask that needs a quarter of the random numbers on the CPU, where they
// are drawn one after the other: sixteen bits for each value. Takes any shape; float dtypes. The numbers come
// from the default generator of the input's device.
class DropoutModule : public torch::nn::Cloneable<DropoutModule> {
 public:
  // rate: the share of values that are 0 while training, from 0 to 1; kept to a 65,536th on the CPU.
  explicit DropoutModule(double rate);
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& input);

 private:
  double rate_;
};

}  // namespace mlpipe
