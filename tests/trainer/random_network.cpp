#include "tests/trainer/random_network.hpp"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>
#include <torch/utils.h>

#include "trainer/network/network_module.hpp"

namespace mlpipe::testing {
namespace {

at::Tensor batch_of(const RandomNetwork& network, const std::vector<float>& examples) {
  Shape shape = {static_cast<std::int64_t>(examples.size() / element_count(network.input))};
  shape.insert(shape.end(), network.input.begin(), network.input.end());
  return at::from_blob(const_cast<float*>(examples.data()), shape, at::kFloat);
}

}  // namespace

std::vector<float> RandomNetwork::examples(std::size_t count) const {
  const std::size_t values = count * element_count(input);
  std::vector<float> numbers(values);
  const std::int64_t indices = network.index_count().value_or(0);
  for (std::size_t i = 0; i < values; ++i) {
    const std::size_t wild = i * 2654435761U >> 5U;
    numbers[i] = indices > 0 ? static_cast<float>(wild % static_cast<std::size_t>(indices))
                             : static_cast<float>(wild % 2000) / 1000 - 1;
  }
  return numbers;
}

std::vector<float> RandomNetwork::logits(const std::vector<float>& examples) {
  const torch::NoGradGuard no_grad;
  const at::Tensor output = module->forward(batch_of(*this, examples)).contiguous();
  const auto* first = output.const_data_ptr<float>();
  return {first, first + output.numel()};
}

RandomNetwork random_network(const std::string& layers, const Shape& input, std::int64_t labels) {
  const YamlDocument document = parse_yaml("net.yaml", layers);
  Diagnostics diagnostics(document);
  RandomNetwork result;
  result.network = read_network(document.root, diagnostics);
  infer_shapes(result.network, input, labels, diagnostics);
  diagnostics.throw_if_any();
  result.input = input;
  torch::manual_seed(7);
  result.module = build_module(result.network);
  result.module->train();
  for (int i = 0; i < 3; ++i) {
    result.module->forward(batch_of(result, result.examples(8)));
  }
  result.module->eval();
  result.weights = weights_of(result.module);
  return result;
}

}  // namespace mlpipe::testing
