#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "tests/trainer/files.hpp"
#include "trainer/training/job.hpp"
#include "trainer/training/progress.hpp"

namespace mlpipe {
namespace {

using namespace mlpipe::testing;

double accuracy_of(const Metrics& metrics) {
  return metrics.held_out.find("accuracy").value();
}

class TrainingTest : public ::testing::Test {
 protected:
  Metrics train(const std::string& config, const std::string& run = "run") {
    const TrainingJob job = {parse_yaml("train.yaml", config), "test", path(run) / "model",
                             path(run) / "report", 2};
    out_.str("");
    return run_training(job, StopRequest::watch(), out_).value().metrics;
  }

  std::string fault_of(const std::string& config) {
    try {
      train(config);
    } catch (const Error& error) {
      return std::string(error.what()) + "\n" + error.hint();
    }
    return "";
  }

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  std::string output() const { return out_.str(); }

  std::string iris(const std::string& rest) const {
    return "data: { csv: " MLPIPE_EXAMPLES
           "/iris/data/iris.csv, target: species, split: { test: 0.2, seed: 3 } }\n" +
           rest;
  }
  std::string digits(const std::string& rest) const {
    return "data: { csv: " MLPIPE_EXAMPLES
           "/digits/data/digits.csv, target: digit, shape: [1, 8, 8], split: { test: 0.2, seed: 7 } }\n" +
           rest;
  }

 private:
  TemporaryDirectory folder_;
  std::ostringstream out_;
};

constexpr const char* small_cnn =
    "network: [conv: {out: 16, kernel: 3, padding: same}, batchnorm, relu, conv: {out: 32, kernel: 3}, "
    "batchnorm, "
    "relu, maxpool: 2, dropout: 0.25, flatten, linear: auto]\n";

TEST_F(TrainingTest, LearnsToReadDigits) {
  const Metrics metrics =
      train(digits(std::string(small_cnn) + "optimizer: { adam: { lr: 0.003 } }\nepochs: 8\n"));
  EXPECT_GE(accuracy_of(metrics), 0.97);
  EXPECT_EQ(metrics.train_samples + metrics.held_out_samples, 1797U);
  const auto json = nlohmann::json::parse(read_file(path("run/report/metrics.json")));
  EXPECT_EQ(json["accuracy"], accuracy_of(metrics));
  EXPECT_EQ(json["parameters"], metrics.parameters);
}

TEST_F(TrainingTest, LearnsToTellIrisesApartWithEveryOptimizer) {
  const std::vector<std::string> optimizers = {
      "{ adam: { lr: 0.05 } }\nepochs: 40", "{ adamw: { lr: 0.05 } }\nepochs: 40",
      "{ sgd: { lr: 0.1, momentum: 0.9 } }\nepochs: 40",
      "{ rmsprop: { lr: 0.01, momentum: 0.5 } }\nepochs: 40",
      "adadelta\nepochs: 200"};  // its first steps are tiny, whatever its rate
  for (const std::string& optimizer : optimizers) {
    const Metrics metrics = train(iris("network: [linear: auto]\noptimizer: " + optimizer));
    EXPECT_GE(accuracy_of(metrics), 0.9) << optimizer;
  }
}

TEST_F(TrainingTest, LearnsWithEverySchedulePrecisionAndSelection) {
  const std::string network = "network: [linear: auto]\noptimizer: { adam: { lr: 0.05 } }\nepochs: 40\n";
  for (const std::string more :
       {"schedule: cosine", "schedule: { step: { every: 15, factor: 0.3, warmup: 2 } }",
        "schedule: { plateau: { patience: 15 } }", "clip: 0.5", "precision: bf16", "label-smoothing: 0.1",
        "class-weights: balanced", "select: best"}) {
    EXPECT_GE(accuracy_of(train(iris(network + more))), 0.9) << more;
  }
}

TEST_F(TrainingTest, EarlyStoppingEndsIt) {
  const Metrics metrics =
      train(iris("network: [linear: auto]\noptimizer: { adam: { lr: 0.05 } }\nepochs: 500\n"
                 "early-stopping: { metric: accuracy, patience: 20 }\nselect: best\n"));
  EXPECT_LT(metrics.epochs, 500);
  EXPECT_EQ(metrics.epoch, metrics.epochs - 20);
  EXPECT_GE(accuracy_of(metrics), 0.9);
}

TEST_F(TrainingTest, TheBestEpochIsTheOneWithTheBestMetric) {
  const Metrics metrics =
      train(iris("network: [linear: auto]\noptimizer: { sgd: { lr: 3 } }\nepochs: 30\nselect: best\n"));
  double best = 0;
  std::int64_t first = 0;
  std::istringstream lines(read_file(path("run/report/metrics.jsonl")));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains("accuracy") && json["accuracy"] > best) {
      best = json["accuracy"];
      first = json["epoch"];
    }
  }
  EXPECT_EQ(metrics.epoch, first);
  EXPECT_DOUBLE_EQ(accuracy_of(metrics), best);
}

TEST_F(TrainingTest, ALinearSvmTellsIrisesApart) {
  const Metrics metrics =
      train(iris("task: svm\nnetwork: [linear: auto]\noptimizer: { adam: { lr: 0.05, weight-decay: 0.001 } "
                 "}\nepochs: 60\nbatch: 16\n"));
  EXPECT_GE(accuracy_of(metrics), 0.9);
  EXPECT_EQ(read_model(path("run/model")).task, Task::svm);
}

// Two clouds of points, and numbers that hang on them in a straight line.
class TableTest : public TrainingTest {
 protected:
  void SetUp() override {
    std::string text = "a,b,kind,sum,difference\n";
    std::mt19937 random(4);
    for (int i = 0; i < 200; ++i) {
      const double a = static_cast<double>(random() % 1000) / 100;
      const double b = static_cast<double>(random() % 1000) / 100;
      text += fmt::format("{},{},{},{},{}\n", a, b, a + b > 10 ? "yes" : "no", 100 * (a + b), a - b);
    }
    write_file_atomically(path("table.csv"), text);
  }
  std::string table(const std::string& target, const std::string& columns, const std::string& rest) {
    std::string text = read_file(path("table.csv"));
    std::string kept;
    std::istringstream lines(text);
    const std::vector<std::string> names = {"a", "b", "kind", "sum", "difference"};
    for (std::string line; std::getline(lines, line);) {
      const std::vector<std::string> cells = split(line, ',');
      std::vector<std::string> chosen;
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (columns.find(names[i]) != std::string::npos) {
          chosen.push_back(cells[i]);
        }
      }
      kept += join(chosen, ",") + "\n";
    }
    write_file_atomically(path("kept.csv"), kept);
    return "data: { csv: " + path("kept.csv").string() + ", target: " + target + " }\n" + rest;
  }
};

TEST_F(TableTest, LearnsOneOfTwo) {
  const Metrics metrics =
      train(table("kind", "a, b, kind",
                  "task: binary\nnetwork: [linear: auto]\noptimizer: { adam: { lr: 0.05 } }\n"
                  "epochs: 60\nclass-weights: balanced\nlabel-smoothing: 0.02\n"));
  EXPECT_GE(accuracy_of(metrics), 0.9);
  EXPECT_GE(metrics.held_out.find("roc_auc").value(), 0.97);
}

TEST_F(TableTest, LearnsNumbersInTheirOwnUnits) {
  for (const std::string loss : {"mse", "mae", "huber"}) {
    const Metrics metrics =
        train(table("[sum, difference]", "a, b, sum, difference",
                    "task: regression\nnetwork: [linear: auto]\noptimizer: { adam: { lr: 0.05 } }\n"
                    "schedule: cosine\nepochs: 60\nloss: " +
                        loss + "\n"));
    EXPECT_GE(metrics.held_out.find("r2").value(), 0.99) << loss;
    EXPECT_LT(metrics.held_out.find("mae_of_sum").value(), 30) << loss;
    const std::vector<float> answer = Predictor::load(path("run/model")).predict(std::vector<float>{3, 2}, 1);
    ASSERT_EQ(answer.size(), 2U);
    EXPECT_NEAR(answer[0], 500, 60) << loss;
    EXPECT_NEAR(answer[1], 1, 0.6) << loss;
  }
}

TEST_F(TrainingTest, TwoRunsGiveTheSameBytes) {
  const std::string config = digits(std::string(small_cnn) + "epochs: 2\nseed: 4\nthreads: 2\n");
  train(config, "first");
  train(config, "second");
  for (const char* file :
       {"model/model.yaml", "model/weights.safetensors", "report/metrics.json", "report/metrics.jsonl",
        "report/held-out.jsonl", "report/loss.svg", "report/metric.svg", "report/confusion.svg",
        "report/model-card.md", "report/tensorboard/events.out.tfevents.0.mlpipe"}) {
    EXPECT_EQ(digest_of_file(path("first") / file), digest_of_file(path("second") / file)) << file;
  }
  train(digits(std::string(small_cnn) + "epochs: 2\nseed: 5\nthreads: 2\n"), "third");
  EXPECT_NE(digest_of_file(path("first/model/weights.safetensors")),
            digest_of_file(path("third/model/weights.safetensors")));
}

TEST_F(TrainingTest, TheReportHoldsWhatTheModelAnswers) {
  const Metrics metrics = train(iris("network: [linear: 8, tanh, linear: auto]\nepochs: 3\n"));
  const Predictor predictor = Predictor::load(path("run/model"));
  EXPECT_EQ(predictor.model().labels, (std::vector<std::string>{"setosa", "versicolor", "virginica"}));
  EXPECT_EQ(predictor.model().columns.size(), 4U);
  EXPECT_EQ(predictor.model().columns[0].name, "sepal_length");
  std::istringstream lines(read_file(path("run/report/held-out.jsonl")));
  std::size_t count = 0;
  std::size_t right = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto row = nlohmann::json::parse(line);
    const auto data = row["data"].get<std::vector<float>>();
    const auto scores = row["scores"].get<std::vector<float>>();
    const std::vector<float> answer = predictor.predict(data, 1);
    ASSERT_EQ(answer.size(), scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EXPECT_NEAR(answer[i], scores[i], 1e-5);
    }
    right += row["label"] == row["prediction"] ? 1 : 0;
  }
  EXPECT_EQ(count, 30U);
  EXPECT_DOUBLE_EQ(accuracy_of(metrics), static_cast<double>(right) / 30);
}

TEST_F(TrainingTest, TrainsOnAnNpzLikeMnistWithItsOwnTestPart) {
  const auto training = cycling_labels(120, 4);
  const auto test = cycling_labels(20, 4);
  write_npz(path("mnist.npz"), {{"x_train", npy_bytes("|u1", {120, 28, 28}, image_bytes(training, 1))},
                                {"y_train", npy_bytes("|u1", {120}, bytes_of(training))},
                                {"x_test", npy_bytes("|u1", {20, 28, 28}, image_bytes(test, 2))},
                                {"y_test", npy_bytes("|u1", {20}, bytes_of(test))}});
  const std::string network =
      "network: [conv: 4, relu, avgpool: 2, flatten, linear: auto]\nepochs: 6\nbatch: 16\n";
  const Metrics metrics = train("data: " + path("mnist.npz").string() + "\n" + network);
  EXPECT_EQ(metrics.held_out_samples, 20U);
  EXPECT_EQ(accuracy_of(metrics), 1);
  const Model model = read_model(path("run/model"));
  EXPECT_EQ(model.input_shape, (Shape{1, 28, 28}));
  EXPECT_EQ(model.most, 255);
  EXPECT_EQ(model.preprocessing.divisor, std::vector<float>{255});
}

TEST_F(TrainingTest, TrainsOnIdx) {
  const auto labels = cycling_labels(100, 4);
  write_file_atomically(path("images"), idx_bytes(0x08, {100, 28, 28}, image_bytes(labels, 1)));
  write_file_atomically(path("labels"), idx_bytes(0x08, {100}, bytes_of(labels)));
  const Metrics metrics =
      train("data: { idx: { images: " + path("images").string() + ", labels: " + path("labels").string() +
            " } }\nnetwork: [flatten, linear: auto]\nepochs: 6\nbatch: 16\n");
  EXPECT_EQ(metrics.held_out_samples, 20U);
  EXPECT_EQ(accuracy_of(metrics), 1);
}

TEST_F(TrainingTest, ALossThatIsNoNumberStopsTheTraining) {
  const std::string fault = fault_of(iris(
      "network: [linear: 64, linear: 64, linear: auto]\noptimizer: { sgd: { lr: 1000 } }\nepochs: 50\n"));
  EXPECT_NE(fault.find("the loss is"), std::string::npos) << fault;
  EXPECT_NE(fault.find("in epoch"), std::string::npos);
  EXPECT_NE(fault.find("1000"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("run/model/model.yaml")));
}

TEST_F(TrainingTest, ANetworkThatDoesNotFitTheDataNamesTheLine) {
  EXPECT_NE(fault_of(iris("network:\n  - linear: 10\n"))
                .find("train.yaml:3:5: layer 1 (linear): the network ends "
                      "with 10 outputs, and the data has 3 classes"),
            std::string::npos);
  EXPECT_NE(fault_of(iris("network:\n  - conv: 10\n")).find("train.yaml:3:5: layer 1 (conv)"),
            std::string::npos);
  EXPECT_NE(fault_of(iris("network: [linear: auto]\nepochs: ${{ params.epochs }}\n")).find("expressions"),
            std::string::npos);
}

TEST(ProgressText, SaysHowFarItIs) {
  const EpochResult epoch = {3, 0.1234, {{{"accuracy", 0.98125}}, {}}, 5400.04, 4.12};
  EXPECT_EQ(progress_line(epoch, 12, "accuracy"),
            "epoch 3/12  loss 0.1234  accuracy 0.9812  5,400 samples/s  4 s left");
  EXPECT_EQ(progress_json(epoch, 12, "accuracy"),
            R"({"done":3,"total":12,"unit":"epoch","text":"loss 0.1234 accuracy 0.9812","rate":5400.0,)"
            R"("rate_unit":"samples/s","seconds_left":4.1})");
  EXPECT_EQ(progress_line({12, 0.5, {{{"mae", 1}}, {}}, 1234567, 0}, 12, "mae"),
            "epoch 12/12  loss 0.5000  mae 1.0000  1,234,567 samples/s");
}

}  // namespace
}  // namespace mlpipe
