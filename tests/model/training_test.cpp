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

TEST(Training, ReadsHowItIsOptimised) {
  const std::string rest = "data: d.npz\nnetwork: [flatten, linear: auto]\n";
  const Training defaults = read(rest).training;
  EXPECT_EQ(defaults.task, Task::classification);
  EXPECT_EQ(defaults.schedule.kind, Schedule::Kind::constant);
  EXPECT_EQ(defaults.metric, "accuracy");
  EXPECT_EQ(defaults.select, Select::last);
  EXPECT_EQ(defaults.checkpoint.epochs, 1);
  const Outcome outcome =
      read(rest +
           "optimizer: { sgd: { momentum: 0.9, nesterov: true, weight-decay: 0.01 } }\n"
           "schedule: { plateau: { patience: 2, factor: 0.5, least: 0.001, warmup: 0.5 } }\n"
           "clip: 1.5\nearly-stopping: { metric: f1_macro, patience: 3, min-delta: 0.01 }\n"
           "select: best\nprecision: bf16\ndevice: cuda:2\ncheckpoint: { every: 60s }\n"
           "class-weights: [1, 2.5]\nlabel-smoothing: 0.1\n");
  ASSERT_TRUE(outcome.faults.empty()) << outcome.faults.front().message;
  const Training& training = outcome.training;
  EXPECT_TRUE(training.optimizer.nesterov);
  EXPECT_EQ(training.optimizer.weight_decay, 0.01);
  EXPECT_EQ(training.schedule.kind, Schedule::Kind::plateau);
  EXPECT_EQ(training.schedule.patience, 2);
  EXPECT_EQ(training.schedule.factor, 0.5);
  EXPECT_EQ(training.schedule.least, 0.001);
  EXPECT_EQ(training.schedule.warmup, 0.5);
  EXPECT_EQ(training.clip, 1.5);
  EXPECT_EQ(training.metric, "f1_macro");
  EXPECT_EQ(training.early_stopping->patience, 3);
  EXPECT_EQ(training.early_stopping->min_delta, 0.01);
  EXPECT_EQ(training.select, Select::best);
  EXPECT_EQ(training.precision, Precision::bf16);
  EXPECT_EQ(training.device.kind, Device::Kind::cuda);
  EXPECT_EQ(training.device.index, 2);
  EXPECT_EQ(training.checkpoint.time, std::chrono::seconds(60));
  EXPECT_EQ(training.loss.weights.values, (std::vector<double>{1, 2.5}));
  EXPECT_EQ(training.loss.label_smoothing, 0.1);
  EXPECT_TRUE(read(rest + "class-weights: balanced\n").training.loss.weights.balanced);
  EXPECT_EQ(read(rest + "optimizer: adamw\n").training.optimizer.weight_decay, 0.01);
  EXPECT_EQ(read(rest + "checkpoint: { every: 5 }\n").training.checkpoint.epochs, 5);
}

TEST(Training, RefusesWhatItsTaskHasNot) {
  const std::string rest = "data: { csv: a.csv, target: x }\nnetwork: [linear: auto]\n";
  EXPECT_EQ(read(rest + "task: regression\nloss: huber\n").training.loss.regression, RegressionLoss::huber);
  EXPECT_EQ(first_fault(rest + "loss: mae\n"), "the task classification has no loss");
  EXPECT_EQ(first_fault(rest + "task: regression\nclass-weights: balanced\n"),
            "the task regression has no class-weights");
  EXPECT_EQ(first_fault(rest + "task: svm\nlabel-smoothing: 0.1\n"), "the task svm has no label-smoothing");
  EXPECT_EQ(first_fault(rest + "early-stopping: { metric: mae }\n"),
            "the task classification has no metric 'mae' to go by");
  EXPECT_EQ(first_fault(rest + "device: gpu\n"), "'gpu' is no device");
  EXPECT_EQ(first_fault(rest + "device: cuda:x\n"), "'cuda:x' is no device");
  EXPECT_NE(first_fault(rest + "checkpoint: { every: often }\n").find("neither"), std::string::npos);
  EXPECT_NE(first_fault(rest + "optimizer: { sgd: { nesterov: true } }\n").find("momentum"),
            std::string::npos);
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
  EXPECT_NE(first_fault("data: a.npz\nprecision: fp16" + network).find("not yet built"), std::string::npos);
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
