#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "pipeline/model/network.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

// Whether the network convolves or pools images, so that channels-last memory is faster.
bool works_on_images(const Network& network);

// The libtorch module of a network whose shapes were inferred, to train and to evaluate:
// FP32 [batch, input shape…] → [batch, outputs], which mean what the task says. Its tensors are named as in
// PyTorch's nn.Sequential of the same layers: "0.weight", "0.bias", inside a residual "3.0.weight". The
// header needs little of libtorch, whose own take ten seconds to compile.
class NetworkModule {
 public:
  // First weights come from libtorch's random state. Begins in training mode.
  explicit NetworkModule(const Network& network);
  NetworkModule(NetworkModule&&) noexcept;
  NetworkModule& operator=(NetworkModule&&) noexcept;
  ~NetworkModule();

  at::Tensor forward(const at::Tensor& batch);

  void train();
  void evaluate();
  void move_to(at::Device device);
  // Products and sums in bf16 from now on, where that is safe; the weights stay FP32.
  void compute_in_bf16();
  // Brings the weights of convolutions into channels-last memory.
  void use_channels_last();

  // The tensors themselves: what is trained, and what is counted along with it.
  std::vector<at::Tensor> parameters() const;
  std::vector<at::Tensor> buffers() const;

  // Copies of the weights and running statistics, in the order of the layers.
  std::vector<NamedTensor> weights() const;
  // Throws Error, naming `file`, unless they have exactly the module's names and shapes.
  void load(const std::vector<NamedTensor>& weights, const std::string& file);

 private:
  struct Layers;
  std::unique_ptr<Layers> layers_;
};

}  // namespace mlpipe
