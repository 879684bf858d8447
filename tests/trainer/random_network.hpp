#pragma once

#include <string>
#include <vector>

#include "pipeline/model/network.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/network/network_module.hpp"

namespace mlpipe::testing {

// A network with weights that a seed decides; batchnorm's running statistics are no longer at their start.
struct RandomNetwork {
  Network network;
  Shape input;
  NetworkModule module;  // in evaluation mode
  std::vector<NamedTensor> weights;

  // The logits of examples that a seed decides, and those examples, flat.
  std::vector<float> examples(std::size_t count) const;
  std::vector<float> logits(const std::vector<float>& examples);
};

RandomNetwork random_network(const std::string& layers, const Shape& input, std::int64_t labels);

struct NetworkCase {
  const char* name;
  const char* layers;
  Shape input;
};

// Between them they have every layer in each of its forms.
const std::vector<NetworkCase>& networks_of_all_layers();

}  // namespace mlpipe::testing
