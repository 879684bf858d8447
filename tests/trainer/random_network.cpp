#include "tests/trainer/random_network.hpp"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

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
  const at::NoGradGuard no_grad;
  const at::Tensor output = module.forward(batch_of(*this, examples)).contiguous();
  const auto* first = output.const_data_ptr<float>();
  return {first, first + output.numel()};
}

RandomNetwork random_network(const std::string& layers, const Shape& input, std::int64_t labels) {
  const YamlDocument document = parse_yaml("net.yaml", layers);
  Diagnostics diagnostics(document);
  Network network = read_network(document.root, diagnostics);
  infer_shapes(network, input, labels, diagnostics);
  diagnostics.throw_if_any();
  at::manual_seed(7);
  NetworkModule module(network);
  RandomNetwork result{std::move(network), input, std::move(module), {}};
  for (int i = 0; i < 3; ++i) {
    result.module.forward(batch_of(result, result.examples(8)));
  }
  result.module.evaluate();
  result.weights = result.module.weights();
  return result;
}

const std::vector<NetworkCase>& networks_of_all_layers() {
  static const std::vector<NetworkCase> all = {
      {"mlp", "[linear: 8, tanh, layernorm, linear: 6, batchnorm, sigmoid, dropout: 0.5, linear: auto]", {4}},
      {"cnn",
       "[conv: {out: 4, kernel: 3, stride: 2, padding: 1}, batchnorm, gelu, maxpool: {kernel: 3, stride: 1}, "
       "avgpool: 2, layernorm, flatten, linear: auto]",
       {3, 16, 16}},
      {"resnet", "resnet-small", {1, 8, 8}},
      {"adaptive",
       "[conv: 4, adaptive-maxpool: 3, softmax, adaptive-avgpool: 2, flatten, linear: auto]",
       {2, 9, 7}},
      {"sequence",
       "[embedding: {count: 11, size: 6}, conv1d: {out: 6, padding: same}, batchnorm, relu, "
       "residual: [conv1d: {out: 6, kernel: 1}, residual: [layernorm]], maxpool: 2, avgpool: {kernel: 2, "
       "stride: 1}, "
       "adaptive-maxpool: 3, adaptive-avgpool: 2, flatten, linear: auto]",
       {12}},
  };
  return all;
}

}  // namespace mlpipe::testing
