#pragma once

#include <string>
#include <vector>

#include "pipeline/model/network.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/network/packed_layers.hpp"

namespace mlpipe {

// A network with its weights, made to answer and for nothing else, on the CPU: weights packed, batchnorm
// folded into the layer before it, relu fused, dropout left out. Computes what NetworkModule does in
// evaluation mode, up to rounding, in less time.
class InferenceNetwork {
 public:
  // Shapes must be inferred. The weights are copied. Throws Error, naming `file`, unless they have exactly
  // the network's names and shapes.
  InferenceNetwork(const Network& network, const std::vector<NamedTensor>& weights, const std::string& file);

  // FP32 [batch, input shape…], contiguous → [batch, outputs]. Called in inference mode. Thread-safe.
  at::Tensor forward(const at::Tensor& batch) const;

 private:
  std::vector<InferenceStep> on_images_;  // what comes before the first flatten, and it, when it takes images
  std::vector<InferenceStep> on_values_;  // all that follows
  std::int64_t images_at_once_ = 0;
};

}  // namespace mlpipe
