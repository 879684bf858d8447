#include "trainer/network/torchscript.hpp"

#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include <set>

#include "pipeline/base/file.hpp"
#include "tests/trainer/random_network.hpp"

namespace mlpipe {
namespace {

using testing::NetworkCase;
using testing::networks_of_all_layers;
using testing::random_network;
using testing::RandomNetwork;

class TorchScript : public ::testing::TestWithParam<std::size_t> {};

TEST_P(TorchScript, LoadsAndGivesTheSameLogits) {
  const NetworkCase& one = networks_of_all_layers()[GetParam()];
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
  const NetworkCase& one = networks_of_all_layers()[GetParam()];
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
  const NetworkCase& one = networks_of_all_layers()[GetParam()];
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

INSTANTIATE_TEST_SUITE_P(Networks, TorchScript,
                         ::testing::Range(std::size_t{0}, networks_of_all_layers().size()),
                         [](const auto& which) { return networks_of_all_layers()[which.param].name; });

}  // namespace
}  // namespace mlpipe
