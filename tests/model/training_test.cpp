#include "pipeline/model/training.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

struct Outcome {
  Training training;
  std::vector<Diagnostic> faults;
};

Outcome read(const std::string& text) {
  const YamlDocument document = parse_yaml("train.yaml", text);
  Diagnostics diagnostics(document);
  Outcome outcome;
  outcome.training = read_training(document.root, diagnostics);
  try {
    diagnostics.throw_if_any();
  } catch (const SpecError& error) {
    outcome.faults = error.diagnostics();
  }
  return outcome;
}

std::string first_fault(const std::string& text) {
  const Outcome outcome = read(text);
  return outcome.faults.empty() ? "" : outcome.faults.front().message;
}

TEST(Training, ReadsEveryKey) {
  const Outcome outcome = read(
      "data: { csv: data/digits.csv, target: digit, shape: [1, 8, 8], split: { test: 0.25, seed: 7 }, scale: "
      "none }\n"
      "network: [conv: 4, flatten, linear: auto]\n"
      "optimizer: { sgd: { lr: 0.1, momentum: 0.9 } }\n"
      "epochs: 3\nbatch: 64\nseed: 5\nthreads: 2\n");
  ASSERT_TRUE(outcome.faults.empty()) << outcome.faults.front().message;
  const Training& training = outcome.training;
  EXPECT_EQ(std::get<CsvSource>(training.data.source).file, "data/digits.csv");
  EXPECT_EQ(std::get<CsvSource>(training.data.source).targets, std::vector<std::string>{"digit"});
  EXPECT_EQ(training.data.shape, (Shape{1, 8, 8}));
  EXPECT_EQ(training.data.split->test, 0.25);
  EXPECT_EQ(training.data.split->seed, 7U);
  EXPECT_EQ(training.data.scale, Preprocessing::Kind::none);
  EXPECT_EQ(training.optimizer.kind, Optimizer::Kind::sgd);
  EXPECT_EQ(training.optimizer.learning_rate, 0.1);
  EXPECT_EQ(training.optimizer.momentum, 0.9);
  EXPECT_EQ(training.epochs, 3);
  EXPECT_EQ(training.batch, 64);
  EXPECT_EQ(training.seed, 5U);
  EXPECT_EQ(training.threads, 2);
  EXPECT_EQ(training.network.layers[0].output, (Shape{4, 6, 6}));
}

TEST(Training, OptimizersHaveDefaultsOfTheirOwn) {
  const std::string rest = "data: d.npz\nnetwork: [flatten, linear: auto]\n";
  EXPECT_EQ(read(rest).training.optimizer.kind, Optimizer::Kind::adam);
  EXPECT_EQ(read(rest + "optimizer: adadelta").training.optimizer.learning_rate, 1);
  EXPECT_EQ(read(rest + "optimizer: { sgd: {} }").training.optimizer.learning_rate, 0.01);
  EXPECT_EQ(read(rest + "optimizer: adamw").training.optimizer.kind, Optimizer::Kind::adamw);
}

TEST(Training, AnNpzNamesItsArrays) {
  const std::string network = "\nnetwork: [flatten, linear: auto]\n";
  EXPECT_EQ(std::get<NpzSource>(read("data: mnist.npz" + network).training.data.source).test_images,
            "x_test");
  const Outcome named = read("data: { npz: { file: a.npz, images: x, labels: y } }" + network);
  ASSERT_TRUE(named.faults.empty());
  EXPECT_EQ(std::get<NpzSource>(named.training.data.source).images, "x");
  EXPECT_FALSE(std::get<NpzSource>(named.training.data.source).test_required);
}

TEST(Training, RefusesWhatCannotBe) {
  const std::string network = "\nnetwork: [flatten, linear: auto]\n";
  EXPECT_EQ(first_fault("data: { csv: a.csv }" + network), "the key 'target' is missing");
  EXPECT_NE(first_fault("data: { target: x }" + network).find("this names none"), std::string::npos);
  EXPECT_NE(first_fault("data: { csv: a, npz: b, target: x }" + network).find("several"), std::string::npos);
  EXPECT_NE(first_fault("data: { npz: a, target: x }" + network).find("target is for data from csv"),
            std::string::npos);
  EXPECT_NE(first_fault("data: a.csv" + network).find("no .npz or .safetensors file"), std::string::npos);
  EXPECT_NE(first_fault("data: { npz: a, shape: [8, 8] }" + network).find("a shape is"), std::string::npos);
  EXPECT_NE(first_fault("data: { npz: { file: a, test-images: x } }" + network).find("belong together"),
            std::string::npos);
  EXPECT_NE(first_fault("data: { idx: { images: a, labels: b, test-images: c, test-labels: d }, split: {} }" +
                        network)
                .find("test part of its own"),
            std::string::npos);
  EXPECT_NE(first_fault("data: a.npz\nschedule: cosine" + network).find("not yet built"), std::string::npos);
  EXPECT_EQ(first_fault("data: a.npz"), "the key 'network' is missing");
}

TEST(Training, ChecksTheNetworkWhereTheShapeIsKnown) {
  const Outcome outcome =
      read("data: { npz: a, shape: [1, 8, 8] }\nnetwork:\n  - conv: 8\n  - maxpool: 7\n  - linear: auto\n");
  ASSERT_EQ(outcome.faults.size(), 1U);
  EXPECT_EQ(outcome.faults[0].line, 4U);
}

TEST(Training, ExpressionsPassUntilTheyHaveValues) {
  const Outcome outcome = read(
      "data: ${{ steps.data.outs['mnist.npz'] }}\nnetwork: [flatten, linear: \"${{ params.width }}\", "
      "linear: auto]\n"
      "optimizer: { adam: { lr: \"${{ params.lr }}\" } }\nepochs: ${{ params.epochs }}\n");
  EXPECT_TRUE(outcome.faults.empty()) << outcome.faults.front().message;
}

TEST(Training, NamesTheDataFiles) {
  const auto files = [](const std::string& text) {
    const YamlDocument document = parse_yaml("train.yaml", text);
    std::vector<std::string> names;
    for (const YamlNode* node : data_file_nodes(document.root)) {
      names.push_back(node->scalar);
    }
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(files("data: a.npz"), Names{"a.npz"});
  EXPECT_EQ(files("data: { csv: a.csv, target: x }"), Names{"a.csv"});
  EXPECT_EQ(files("data: { npz: { file: a, images: x } }"), Names{"a"});
  EXPECT_EQ(files("data: { idx: { images: a, labels: b, test-images: c, test-labels: d } }"),
            (Names{"a", "b", "c", "d"}));
  EXPECT_EQ(files("data: { csv: { train: a.csv, test: b.csv }, target: x }"), (Names{"a.csv", "b.csv"}));
  EXPECT_EQ(files("data: { folder: images }"), Names{"images"});
  EXPECT_EQ(files("data: { folder: { train: a, test: b } }"), (Names{"a", "b"}));
  EXPECT_EQ(files("data: { safetensors: { file: a.safetensors } }"), Names{"a.safetensors"});
  EXPECT_EQ(files("data: [1, 2]"), Names{});
  EXPECT_EQ(files("data: { csv: { a: b }, idx: x, npz: [] }"), Names{});
  EXPECT_EQ(files("nothing"), Names{});
}

}  // namespace
}  // namespace mlpipe
