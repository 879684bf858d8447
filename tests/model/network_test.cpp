#include "pipeline/model/network.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

struct Outcome {
  Network network;
  std::vector<Diagnostic> faults;
};

Outcome infer(const std::string& text, const std::optional<Shape>& input = {},
              std::optional<std::int64_t> labels = {}, Task task = Task::classification) {
  const YamlDocument document = parse_yaml("net.yaml", text);
  Diagnostics diagnostics(document);
  Outcome outcome;
  outcome.network = read_network(document.root, diagnostics);
  if (input && diagnostics.empty()) {
    infer_shapes(outcome.network, *input, labels, diagnostics, task);
  }
  try {
    diagnostics.throw_if_any();
  } catch (const SpecError& error) {
    outcome.faults = error.diagnostics();
  }
  return outcome;
}

Diagnostic only_fault(const Outcome& outcome) {
  EXPECT_EQ(outcome.faults.size(), 1U);
  return outcome.faults.empty() ? Diagnostic{} : outcome.faults.front();
}

constexpr const char* keras_example =
    "[conv: {out: 32, kernel: 3}, relu, conv: {out: 64, kernel: 3}, relu, maxpool: 2, dropout: 0.25, "
    "flatten, "
    "linear: 128, relu, dropout: 0.5, linear: 10]";

TEST(Network, InfersTheShapesAndParametersOfTheKerasExample) {
  const Outcome outcome = infer(keras_example, Shape{1, 28, 28}, 10);
  ASSERT_TRUE(outcome.faults.empty());
  const std::vector<Layer>& layers = outcome.network.layers;
  ASSERT_EQ(layers.size(), 11U);
  EXPECT_EQ(layers[0].output, (Shape{32, 26, 26}));
  EXPECT_EQ(layers[2].output, (Shape{64, 24, 24}));
  EXPECT_EQ(layers[4].output, (Shape{64, 12, 12}));
  EXPECT_EQ(layers[6].output, (Shape{9216}));
  EXPECT_EQ(outcome.network.output(), (Shape{10}));
  EXPECT_EQ(outcome.network.parameters(), 1'199'882);  // what Keras prints for it
}

TEST(Network, ReadsEveryLayerAndWritesItBack) {
  const Outcome first = infer(
      "[conv: 8, batchnorm, gelu, conv: {out: 8, kernel: 5, stride: 2, padding: same}, tanh, avgpool: "
      "{kernel: 3, "
      "stride: 1}, sigmoid, maxpool: 2, dropout: 0.125, flatten, linear: auto, softmax]",
      Shape{3, 32, 32}, 7);
  ASSERT_TRUE(first.faults.empty()) << first.faults.front().message;
  EXPECT_EQ(first.network.layers[3].output, (Shape{8, 15, 15}));
  EXPECT_EQ(first.network.layers[5].output, (Shape{8, 13, 13}));
  EXPECT_EQ(first.network.output(), (Shape{7}));
  const std::string text = network_text(first.network, 2);
  const Outcome second = infer(text, Shape{3, 32, 32}, 7);
  ASSERT_TRUE(second.faults.empty());
  EXPECT_EQ(network_text(second.network, 2), text);
  EXPECT_EQ(second.network.parameters(), first.network.parameters());
}

TEST(Network, AutoTakesTheNumberOfClasses) {
  Outcome outcome = infer("[linear: auto]", Shape{4});
  ASSERT_TRUE(outcome.faults.empty());
  EXPECT_TRUE(outcome.network.awaits_outputs());
  outcome = infer("[linear: auto]", Shape{4}, 3);
  EXPECT_FALSE(outcome.network.awaits_outputs());
  EXPECT_EQ(outcome.network.parameters(), 15);
}

TEST(Network, AWrongShapeNamesTheLayerAndItsLine) {
  const Diagnostic fault = only_fault(infer("- conv: 8\n- relu\n- linear: 10\n", Shape{1, 8, 8}));
  EXPECT_EQ(fault.line, 3U);
  EXPECT_EQ(fault.message, "layer 3 (linear): it takes a flat input, and gets [8, 6, 6]");
  EXPECT_EQ(fault.hint, "put a flatten layer before it");
}

TEST(Network, AWindowLargerThanItsInputIsRefused) {
  const Diagnostic fault = only_fault(infer("- conv: 4\n- maxpool: 4\n- conv: 4\n", Shape{1, 8, 8}));
  EXPECT_EQ(fault.line, 3U);
  EXPECT_NE(fault.message.find("layer 3 (conv): its window of 3×3 is larger than its input [4, 1, 1]"),
            std::string::npos);
}

TEST(Network, AConvolutionNeedsAnImage) {
  EXPECT_NE(only_fault(infer("- conv: 4\n", Shape{64})).message.find("gets [64]"), std::string::npos);
}

TEST(Network, TheOutputMustFitTheClasses) {
  EXPECT_NE(
      only_fault(infer("[linear: 10]", Shape{4}, 3)).message.find("10 outputs, and the data has 3 classes"),
      std::string::npos);
  EXPECT_NE(only_fault(infer("[conv: 4]", Shape{1, 8, 8})).message.find("ends with [4, 6, 6]"),
            std::string::npos);
}

TEST(Network, EveryFaultIsReportedAtItsPlace) {
  const Outcome outcome =
      infer("- relo\n- conv: {out: 4, kernal: 3}\n- linear: -1\n- dropout: 2\n- residual: 3\n");
  ASSERT_EQ(outcome.faults.size(), 5U);
  EXPECT_EQ(outcome.faults[0].hint, "did you mean 'relu'?");
  EXPECT_EQ(outcome.faults[1].hint, "did you mean 'kernel'?");
  EXPECT_EQ(outcome.faults[2].line, 3U);
  EXPECT_EQ(outcome.faults[3].line, 4U);
  EXPECT_NE(outcome.faults[4].message.find("expected a list, found '3'"), std::string::npos);
}

TEST(Network, ReadsSequencesEmbeddingsAndResidualsAndWritesThemBack) {
  const Outcome first = infer(
      "[embedding: {count: 100, size: 12}, conv1d: {out: 8, kernel: 3, padding: same}, layernorm, "
      "residual: [conv1d: {out: 8, kernel: 5, padding: 2}, batchnorm, residual: [relu], gelu], maxpool: 2, "
      "avgpool: {kernel: 3, stride: 1}, adaptive-maxpool: 4, adaptive-avgpool: 1, flatten, linear: auto]",
      Shape{20}, 3);
  ASSERT_TRUE(first.faults.empty()) << first.faults.front().message;
  const std::vector<Layer>& layers = first.network.layers;
  EXPECT_EQ(layers[0].output, (Shape{12, 20}));
  EXPECT_EQ(layers[1].output, (Shape{8, 20}));
  EXPECT_EQ(layers[1].parameters, 8 * 12 * 3 + 8);
  EXPECT_EQ(layers[2].parameters, 2 * 8 * 20);
  EXPECT_EQ(layers[3].parameters, 8 * 8 * 5 + 8 + 16);
  EXPECT_EQ(layers[4].output, (Shape{8, 10}));
  EXPECT_EQ(layers[5].output, (Shape{8, 8}));
  EXPECT_EQ(layers[6].output, (Shape{8, 4}));
  EXPECT_EQ(layers[7].output, (Shape{8, 1}));
  EXPECT_EQ(first.network.index_count(), 100);
  EXPECT_EQ(first.network.multiplications(),
            (8 * 12 * 3 + 8) * 20 + 2 * 8 * 20 + (8 * 8 * 5 + 8) * 20 + 16 + 8 * 3 + 3);
  const std::string text = network_text(first.network, 2);
  const Outcome second = infer(text, Shape{20}, 3);
  ASSERT_TRUE(second.faults.empty());
  EXPECT_EQ(network_text(second.network, 2), text);
  EXPECT_EQ(second.network.parameters(), first.network.parameters());
}

TEST(Network, APresetBecomesItsLayers) {
  const Outcome preset = infer("cnn-mnist", Shape{1, 28, 28}, 10);
  ASSERT_TRUE(preset.faults.empty());
  EXPECT_EQ(network_text(preset.network, 0),
            network_text(infer(keras_example, Shape{1, 28, 28}, 10).network, 0));
  EXPECT_EQ(infer("linear", Shape{4}, 3).network.parameters(), 15);
  EXPECT_EQ(infer("mlp", Shape{4}, 3).network.parameters(), 4 * 128 + 128 + 128 * 64 + 64 + 64 * 3 + 3);
  for (const Shape& image : {Shape{3, 32, 32}, Shape{1, 1, 5}}) {
    EXPECT_EQ(infer("resnet-small", image, 10).network.output(), (Shape{10})) << shape_text(image);
  }
  EXPECT_EQ(only_fault(infer("resnet-smal")).hint, "did you mean 'resnet-small'?");
  const Diagnostic fault = only_fault(infer("\n  cnn-mnist", Shape{64}));
  EXPECT_EQ(fault.line, 2U);
  EXPECT_TRUE(fault.message.starts_with("cnn-mnist: layer 1 (conv): it takes an image")) << fault.message;
}

TEST(Network, WhatAResidualAddsMustHaveItsShape) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"- conv: 8\n- residual:\n  - conv: {out: 4, padding: same}\n",
       "end it with conv: {out: 8, kernel: 1}"},
      {"- conv: 8\n- residual:\n  - conv: 8\n", "give its convolutions padding: same"},
      {"- conv: 8\n- residual:\n  - flatten\n", "leave flatten, embedding and the like outside"},
      {"- flatten\n- residual:\n  - linear: 4\n", "end it with linear: 64"},
  };
  for (const auto& [network, hint] : cases) {
    const Diagnostic fault = only_fault(infer(network, Shape{1, 8, 8}));
    EXPECT_EQ(fault.line, 2U);
    EXPECT_TRUE(fault.message.starts_with("layer 2 (residual): its layers make [")) << fault.message;
    EXPECT_NE(fault.hint.find(hint), std::string::npos) << fault.hint;
  }
}

TEST(Network, AFaultInsideAResidualNamesBothAndTheLine) {
  const Diagnostic fault =
      only_fault(infer("- conv: 8\n- residual:\n  - relu\n  - linear: 3\n", Shape{1, 8, 8}));
  EXPECT_EQ(fault.line, 4U);
  EXPECT_EQ(fault.message, "layer 2 (residual), layer 2 (linear): it takes a flat input, and gets [8, 6, 6]");
  EXPECT_EQ(only_fault(infer("- linear: 4\n- residual:\n  - relu\n  - linier: 4\n")).line, 4U);
  EXPECT_NE(only_fault(infer("[linear: 4, residual: []]")).message.find("no layer"), std::string::npos);
}

TEST(Network, TheTaskSaysWhatTheLastValuesAre) {
  EXPECT_EQ(infer("[linear: auto]", Shape{4}, 2, Task::binary).network.output(), (Shape{1}));
  EXPECT_EQ(infer("[linear: auto]", Shape{4}, {}, Task::binary).network.output(), (Shape{1}));
  EXPECT_EQ(infer("[linear: auto]", Shape{4}, 2, Task::svm).network.output(), (Shape{2}));
  EXPECT_EQ(infer("[linear: auto]", Shape{4}, 3, Task::regression).network.output(), (Shape{3}));
  EXPECT_NE(only_fault(infer("[linear: 2]", Shape{4}, 2, Task::binary)).message.find("takes one"),
            std::string::npos);
  EXPECT_NE(only_fault(infer("[linear: 2]", Shape{4}, 1, Task::regression)).message.find("has 1 target"),
            std::string::npos);
}

TEST(Network, AnActivationAtTheEndIsThePredictorsOrRefused) {
  EXPECT_EQ(infer("[linear: auto, softmax]", Shape{4}, 3).network.layers.size(), 1U);
  EXPECT_EQ(infer("[linear: auto, sigmoid]", Shape{4}, 2, Task::binary).network.layers.size(), 1U);
  const Diagnostic fault = only_fault(infer("[linear: 3, relu]", Shape{4}, 3, Task::regression));
  EXPECT_NE(fault.message.find("layer 2 (relu): with task: regression"), std::string::npos);
  EXPECT_FALSE(infer("[linear: 3, softmax]", Shape{4}, 3, Task::svm).faults.empty());
}

TEST(Network, AnEmbeddingStandsOnlyAtTheFront) {
  EXPECT_NE(
      only_fault(infer("[linear: 8, embedding: {count: 3, size: 2}]")).message.find("layer 2 (embedding)"),
      std::string::npos);
  EXPECT_NE(only_fault(infer("[linear: 4, residual: [embedding: {count: 3, size: 4}]]"))
                .message.find("the first layer"),
            std::string::npos);
  EXPECT_NE(only_fault(infer("[conv1d: 3]", Shape{4})).message.find("it takes a sequence"),
            std::string::npos);
}

TEST(Network, AutoStandsOnlyAtTheEnd) {
  EXPECT_NE(only_fault(infer("- linear: auto\n- relu\n- linear: 3\n")).message.find("layer 1 (linear)"),
            std::string::npos);
  EXPECT_NE(only_fault(infer("[residual: [linear: auto]]")).message.find("layer 1 (linear)"),
            std::string::npos);
  EXPECT_TRUE(infer("[linear: auto, softmax]").faults.empty());
}

TEST(Network, WhatCannotLearnOrIsEmptyIsRefused) {
  EXPECT_NE(only_fault(infer("[]")).message.find("no layer"), std::string::npos);
  EXPECT_NE(only_fault(infer("[flatten, softmax]")).message.find("cannot learn"), std::string::npos);
}

TEST(Network, SamePaddingNeedsAnOddKernel) {
  EXPECT_NE(only_fault(infer("[conv: {out: 4, kernel: 4, padding: same}]")).message.find("odd kernel"),
            std::string::npos);
}

TEST(Network, WeightsBeyondAllMemoryAreRefused) {
  EXPECT_NE(
      only_fault(infer("[linear: 1000000, linear: 1000000]", Shape{4})).message.find("layer 2 (linear)"),
      std::string::npos);
}

TEST(Shape, CountsWithoutOverflow) {
  EXPECT_EQ(element_count({2, 3, 4}), 24U);
  EXPECT_EQ(element_count({}), 1U);
  EXPECT_EQ(element_count({std::int64_t{1} << 40, std::int64_t{1} << 40}), ~std::size_t{0});
  EXPECT_EQ(element_count({-1}), ~std::size_t{0});
  EXPECT_EQ(shape_text({1, 8, 8}), "[1, 8, 8]");
}

}  // namespace
}  // namespace mlpipe
