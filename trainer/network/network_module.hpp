#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <string>
#include <vector>

#include "pipeline/model/network.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

// The libtorch module of a network whose shapes were inferred: FP32 [batch, input shape…] → [batch, outputs],
// which mean what the task says. First weights come from libtorch's random state. Its tensors are named as in
// PyTorch's nn.Sequential of the same layers: "0.weight", "0.bias", inside a residual "3.0.weight".
torch::nn::Sequential build_module(const Network& network);

// Whether the network convolves or pools images, so that channels-last memory is faster.
bool works_on_images(const Network& network);

// Brings the weights of convolutions into channels-last memory.
void use_channels_last(torch::nn::Sequential& module);

// Copies of the weights and running statistics, in the order of the layers.
std::vector<NamedTensor> weights_of(torch::nn::Sequential& module);

// Puts weights into the module. Throws Error, naming `file`, unless they have exactly the module's names and
// shapes.
void load_weights(torch::nn::Sequential& module, const std::vector<NamedTensor>& weights,
                  const std::string& file);

}  // namespace mlpipe
