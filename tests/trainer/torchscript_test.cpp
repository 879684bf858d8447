#include "trainer/network/torchscript.hpp"

#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include <set>

#include "pipeline/base/file.hpp"
#include "tests/trainer/random_network.hpp"

namespace mlpipe {
namespace {

using testing::random_network;
using testing::RandomNetwork;

struct Case {
  const char* name;
  const char* layers;
  Shape input;
};

// Between them they have every layer in each of its forms.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
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

class TorchScript : public ::testing::TestWithParam<std::size_t> {};

TEST_P(TorchScript, LoadsAndGivesTheSameLogits) {
  const Case& one = cases()[GetParam()];
  RandomNetwork network = random_network(one.layers, one.input, 3);
  const TemporaryDirectory folder;
  const auto file = folder.path() / torchscript_file;
  EXPECT_EQ(write_torchscript(network.network, network.weights, file), std::nullopt);
  torch::jit::Module loaded = torch::jit::load(file.string());

  const std::vector<float> examples = network.examples(5);
  const std::vector<float> expected = network.logits(examples);
  Shape shape = {5};
  shape.insert(shape.end(), one.input.begin(), one.input.end());
  const at::Tensor answer =
      loaded.forward({at::from_blob(const_cast<float*>(examples.data()), shape, at::kFloat)})
          .toTensor()
          .contiguous();
  ASSERT_EQ(answer.numel(), static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(answer.const_data_ptr<float>()[i], expected[i], 1e-5);
  }
}

TEST_P(TorchScript, NamesItsTensorsAsTheWeightsFileDoes) {
  const Case& one = cases()[GetParam()];
  const RandomNetwork network = random_network(one.layers, one.input, 3);
  const TemporaryDirectory folder;
  const auto file = folder.path() / torchscript_file;
  write_torchscript(network.network, network.weights, file);
  const torch::jit::Module loaded = torch::jit::load(file.string());
  std::set<std::string> names;
  for (const auto& parameter : loaded.named_parameters()) {
    names.insert(parameter.name);
  }
  for (const auto& buffer : loaded.named_buffers()) {
    names.insert(buffer.name);
  }
  std::set<std::string> expected;
  for (const NamedTensor& weight : network.weights) {
    expected.insert(weight.name);
  }
  EXPECT_EQ(names, expected);
}

TEST_P(TorchScript, TheSameNetworkGivesTheSameBytes) {
  const Case& one = cases()[GetParam()];
  const TemporaryDirectory folder;
  std::vector<std::string> bytes;
  for (const char* name : {"a.pt", "b.pt"}) {
    const RandomNetwork network = random_network(one.layers, one.input, 3);
    write_torchscript(network.network, network.weights, folder.path() / name);
    bytes.push_back(read_file(folder.path() / name));
  }
  EXPECT_FALSE(bytes[0].empty());
  EXPECT_EQ(bytes[0], bytes[1]);
}

INSTANTIATE_TEST_SUITE_P(Networks, TorchScript, ::testing::Range(std::size_t{0}, cases().size()),
                         [](const auto& which) { return cases()[which.param].name; });

}  // namespace
}  // namespace mlpipe
