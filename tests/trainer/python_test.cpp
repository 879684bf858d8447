// The same weights in Python's PyTorch. Needs a python3 that can import torch (PYTHONPATH may say from
// where).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"
#include "tests/trainer/random_network.hpp"
#include "trainer/network/torchscript.hpp"

namespace mlpipe {
namespace {

// What logits.py has, in our words.
constexpr const char* layers =
    "[conv: {out: 8, kernel: 3, stride: 2, padding: 1}, batchnorm, relu, "
    "residual: [conv: {out: 8, kernel: 3, padding: same}, batchnorm, gelu], "
    "maxpool: 2, layernorm, dropout: 0.5, adaptive-avgpool: 2, flatten, linear: auto]";

TEST(Python, TheSameWeightsGiveTheSameLogits) {
  Command probe;
  probe.arguments = {"python3", "-c", "import torch"};
  try {
    if (!run_and_capture(probe).ending.succeeded()) {
      GTEST_SKIP() << "this python3 has no torch";
    }
  } catch (const Error&) {
    GTEST_SKIP() << "there is no python3";
  }
  testing::RandomNetwork network = testing::random_network(layers, {3, 16, 16}, 5);
  const TemporaryDirectory folder;
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  const std::vector<float> examples = network.examples(6);
  write_safetensors(path("weights.safetensors"), network.weights);
  write_torchscript(network.network, network.weights, path(torchscript_file));
  write_file_atomically(path("examples"),
                        {reinterpret_cast<const char*>(examples.data()), examples.size() * sizeof(float)});
  Command command;
  command.arguments = {"python3", MLPIPE_LOGITS, path("weights.safetensors"), path(torchscript_file),
                       path("examples")};
  const Captured python = run_and_capture(command);
  ASSERT_TRUE(python.ending.succeeded()) << python.error;
  const std::vector<float> expected = network.logits(examples);
  const std::vector<std::string> lines = split(trim(python.output), '\n');
  ASSERT_EQ(lines.size(), 2U);
  for (const std::string& line : lines) {
    const auto logits = nlohmann::json::parse(line).get<std::vector<float>>();
    ASSERT_EQ(logits.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(logits[i], expected[i], 1e-5);
    }
  }
}

}  // namespace
}  // namespace mlpipe
