#include "trainer/network/inference_network.hpp"

#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <thread>

#include "tests/trainer/random_network.hpp"

namespace mlpipe {
namespace {

using testing::NetworkCase;
using testing::networks_of_all_layers;
using testing::random_network;
using testing::RandomNetwork;

std::vector<float> outputs_of(const InferenceNetwork& network, const Shape& input,
                              const std::vector<float>& examples) {
  const c10::InferenceMode inference;
  Shape shape = {static_cast<std::int64_t>(examples.size() / element_count(input))};
  shape.insert(shape.end(), input.begin(), input.end());
  const at::Tensor outputs =
      network.forward(at::from_blob(const_cast<float*>(examples.data()), shape, at::kFloat)).contiguous();
  const auto* first = outputs.const_data_ptr<float>();
  return {first, first + outputs.numel()};
}

// Relative to the largest output: what a sum of a thousand products is rounded by hangs on its parts.
void expect_same(const std::vector<float>& found, const std::vector<float>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  float largest = 0;
  for (const float value : wanted) {
    largest = std::max(largest, std::abs(value));
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(found[i], wanted[i], 1e-5 * static_cast<double>(largest)) << i;
  }
}

void expect_as_the_module(const NetworkCase& one) {
  SCOPED_TRACE(one.name);
  RandomNetwork network = random_network(one.layers, one.input, 3);
  const InferenceNetwork fast(network.network, network.weights, "weights");
  for (const std::size_t count : {std::size_t{1}, std::size_t{3}, std::size_t{37}}) {
    SCOPED_TRACE(count);
    const std::vector<float> examples = network.examples(count);
    const std::vector<float> before = examples;
    expect_same(outputs_of(fast, one.input, examples), network.logits(examples));
    EXPECT_EQ(examples, before) << "it wrote to what it was given";
  }
}

// Layers next to each other that are computed as one, or nearly.
const std::vector<NetworkCase>& neighbours() {
  static const std::vector<NetworkCase> all = {
      {"mnist",  // large enough for packed weights, and to be computed in pieces
       "[conv: 32, relu, conv: 64, relu, maxpool: 2, dropout: 0.25, flatten, linear: 128, relu, dropout: "
       "0.5, "
       "linear: auto]",
       {1, 28, 28}},
      {"conv, batchnorm, relu", "[conv: 4, batchnorm, dropout: 0.1, relu, flatten, linear: auto]", {3, 9, 7}},
      {"conv, relu, batchnorm", "[conv: 4, relu, batchnorm, tanh, flatten, linear: auto]", {3, 9, 7}},
      {"conv, batchnorm, batchnorm", "[conv: 4, batchnorm, batchnorm, flatten, linear: auto]", {3, 9, 7}},
      {"conv1d, batchnorm, relu",
       "[embedding: {count: 9, size: 5}, conv1d: 4, batchnorm, relu, flatten, linear: auto]",
       {12}},
      {"linear, batchnorm, relu",
       "[linear: 300, batchnorm, relu, linear: 300, batchnorm, linear: auto]",
       {300}},
      {"an image's values through one by one",
       "[maxpool: 2, flatten, gelu, dropout: 0.5, relu, linear: auto]",
       {3, 8, 6}},
      {"an image's values in their order", "[conv: 5, flatten, batchnorm, linear: auto]", {3, 8, 6}},
      {"an image's values as outputs", "[conv: {out: 3, kernel: 6}, flatten]", {2, 6, 6}},
      {"softmax of an image's values", "[conv: 5, flatten, softmax, linear: auto]", {3, 8, 6}},
      {"no image layer", "[flatten, linear: 40, relu, linear: auto]", {3, 8, 6}},
      {"relu first in a residual",
       "[conv: 4, residual: [relu, conv: {out: 4, padding: same}], residual: [relu], "
       "residual: [dropout: 0.5], flatten, linear: auto]",
       {3, 9, 7}},
  };
  return all;
}

TEST(InferenceNetwork, ComputesWhatTheModuleDoesForEveryLayer) {
  for (const NetworkCase& one : networks_of_all_layers()) {
    expect_as_the_module(one);
  }
}

TEST(InferenceNetwork, ComputesWhatTheModuleDoesWhereLayersAreJoined) {
  for (const NetworkCase& one : neighbours()) {
    expect_as_the_module(one);
  }
}

TEST(InferenceNetwork, DoesWithoutOneDnn) {
  struct Restore {
    ~Restore() { at::globalContext().setUserEnabledMkldnn(true); }
  } restore;
  at::globalContext().setUserEnabledMkldnn(false);
  for (const NetworkCase& one : std::span(neighbours()).subspan(1)) {  // the first takes it long
    expect_as_the_module(one);
  }
}

TEST(InferenceNetwork, AnswersManyThreadsAtOnce) {
  const NetworkCase& one = neighbours().front();
  RandomNetwork network = random_network(one.layers, one.input, 3);
  const InferenceNetwork fast(network.network, network.weights, "weights");
  const std::vector<float> examples = network.examples(20);
  const std::vector<float> wanted = network.logits(examples);
  std::vector<std::jthread> threads;
  for (std::size_t size = 1; size <= 4; ++size) {
    threads.emplace_back([&, size] {
      const std::size_t values = element_count(one.input);
      for (std::size_t first = 0; first < 20; first += size) {
        const std::size_t end = std::min(first + size, std::size_t{20});
        const auto part = [&](const std::vector<float>& all, std::size_t width) {
          return std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(first * width),
                                    all.begin() + static_cast<std::ptrdiff_t>(end * width));
        };
        expect_same(outputs_of(fast, one.input, part(examples, values)), part(wanted, 3));
      }
    });
  }
}

}  // namespace
}  // namespace mlpipe
