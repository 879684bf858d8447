#include "trainer/network/predictor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {
namespace {

class PredictorTest : public ::testing::Test {
 protected:
  // A model whose weights are given: the answers can be worked out by hand.
  void write(const std::string& network, const Shape& input, std::vector<NamedTensor> tensors,
             Preprocessing preprocessing = {}, Task task = Task::classification,
             const TargetScale& target = {}) {
    const YamlDocument document = parse_yaml("net.yaml", network);
    Diagnostics diagnostics(document);
    Model model;
    model.name = "by hand";
    model.input_shape = input;
    model.labels = {"a", "b"};
    model.task = task;
    model.target = target;
    for (const std::size_t count : preprocessing.categories) {
      model.columns.push_back({"column" + std::to_string(model.columns.size()), 0, 9});
      for (std::size_t i = 0; i < count; ++i) {
        model.columns.back().categories.push_back("category " + std::to_string(i));
      }
    }
    model.preprocessing = std::move(preprocessing);
    model.network = read_network(document.root, diagnostics);
    infer_shapes(model.network, model.network_input(), 2, diagnostics, task);
    diagnostics.throw_if_any();
    write_safetensors(folder_.path() / weights_file, tensors);
    model.weights = digest_of_file(folder_.path() / weights_file);
    write_model(model, folder_.path());
  }

  Predictor load() const { return Predictor::load(folder_.path()); }
  std::string load_fault() const {
    try {
      load();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  TemporaryDirectory folder_;
};

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

TEST_F(PredictorTest, AppliesPreprocessingLayersAndSoftmax) {
  write("[linear: auto]", {2}, {{"0.weight", {2, 2}, {1, 2, 3, 5}}, {"0.bias", {2}, {0.5, 0}}},
        {Preprocessing::Kind::standardize, {1, 1}, {2, 4}});
  const std::vector<float> scores = load().predict(std::vector<float>{3, 5, 1, 1}, 2);
  ASSERT_EQ(scores.size(), 4U);
  // (3, 5) becomes (1, 1): logits 3.5 and 8; (1, 1) becomes (0, 0): logits 0.5 and 0
  EXPECT_NEAR(scores[0], sigmoid(3.5F - 8), 1e-6);
  EXPECT_NEAR(scores[1], sigmoid(8 - 3.5F), 1e-6);
  EXPECT_NEAR(scores[2], sigmoid(0.5F), 1e-6);
}

TEST_F(PredictorTest, ASoftmaxWrittenAsLastLayerChangesNothing) {
  const std::vector<NamedTensor> weights = {{"0.weight", {2, 1}, {1, -1}}, {"0.bias", {2}, {0, 0}}};
  write("[linear: auto, softmax]", {1}, weights);
  EXPECT_NEAR(load().predict(std::vector<float>{1}, 1)[0], sigmoid(2), 1e-6);
}

TEST_F(PredictorTest, ConvolvesInChannelsLastAsInPlainMemory) {
  // Two channels from one, kernels that pick the middle and its right neighbour; then the largest value of
  // each.
  std::vector<float> kernels(18, 0);
  kernels[4] = 1;
  kernels[9 + 5] = 1;
  write("[conv: {out: 2, kernel: 3}, maxpool: 2, flatten]", {1, 4, 4},
        {{"0.weight", {2, 1, 3, 3}, kernels}, {"0.bias", {2}, {0, 0}}});
  std::vector<float> image(16, 0);
  image[1 * 4 + 1] = 2;  // in reach of the first kernel only
  image[2 * 4 + 3] = 3;  // in reach of the second kernel only
  const std::vector<float> scores = load().predict(image, 1);
  EXPECT_NEAR(scores[0], sigmoid(2 - 3), 1e-6);
}

TEST_F(PredictorTest, ABinaryModelGivesBothProbabilities) {
  write("[linear: auto, sigmoid]", {1}, {{"0.weight", {1, 1}, {2}}, {"0.bias", {1}, {0.5}}}, {},
        Task::binary);
  const std::vector<float> scores = load().predict(std::vector<float>{1, -20}, 2);
  ASSERT_EQ(scores.size(), 4U);
  EXPECT_NEAR(scores[0], sigmoid(-2.5F), 1e-6);
  EXPECT_NEAR(scores[1], sigmoid(2.5F), 1e-6);
  EXPECT_NEAR(scores[3] / sigmoid(-39.5F), 1, 1e-5) << "a small probability keeps its digits";
}

TEST_F(PredictorTest, AnSvmGivesItsMargins) {
  write("[linear: auto]", {1}, {{"0.weight", {2, 1}, {2, -3}}, {"0.bias", {2}, {0.5, 0}}}, {}, Task::svm);
  EXPECT_EQ(load().predict(std::vector<float>{2}, 1), (std::vector<float>{4.5, -6}));
}

TEST_F(PredictorTest, ARegressionAnswersInTheTargetsUnits) {
  const std::vector<NamedTensor> weights = {{"0.weight", {2, 1}, {2, -3}}, {"0.bias", {2}, {0.5, 0}}};
  write("[linear: auto]", {1}, weights, {}, Task::regression, {{100, 1}, {10, 2}});
  EXPECT_EQ(load().predict(std::vector<float>{2, 0}, 2), (std::vector<float>{145, -11, 105, 1}));
  write("[linear: auto]", {1}, weights, {}, Task::regression);
  EXPECT_EQ(load().predict(std::vector<float>{2}, 1), (std::vector<float>{4.5, -6}));
}

TEST_F(PredictorTest, EncodesCategoriesBeforeItScales) {
  // The second column is 0, 1 or 2: the network takes four values.
  write("[linear: auto]", {2}, {{"0.weight", {2, 4}, {1, 10, 20, 30, 0, 0, 0, 0}}, {"0.bias", {2}, {0, 0}}},
        {Preprocessing::Kind::standardize, {3, 0, 0, 0}, {2, 1, 1, 1}, {0, 3}}, Task::svm);
  const std::vector<float> margins = load().predict(std::vector<float>{5, 2, 3, 0, 3, -1}, 3);
  EXPECT_EQ(margins, (std::vector<float>{31, 0, 10, 0, 0, 0}));
}

TEST_F(PredictorTest, AnEmbeddingTakesRawIndices) {
  write("[embedding: {count: 3, size: 2}, flatten, linear: auto]", {2},
        {{"0.weight", {3, 2}, {1, 2, 3, 4, 5, 6}},
         {"2.weight", {2, 4}, {1, 10, 100, 1000, 0, 0, 0, 0}},
         {"2.bias", {2}, {0, 0}}},
        {}, Task::svm);
  // Vectors (5, 6) and (1, 2), channels first: 5, 1, 6, 2.
  EXPECT_EQ(load().predict(std::vector<float>{2, 0}, 1), (std::vector<float>{2615, 0}));
  for (const float wrong : {3.0F, -1.0F, 0.5F, NAN}) {
    EXPECT_THROW(load().predict(std::vector<float>{0, wrong}, 1), UsageError) << wrong;
  }
}

TEST_F(PredictorTest, AddsAResidualToItsInput) {
  write("[linear: 2, residual: [linear: 2, relu, residual: [relu]], linear: auto]", {1},
        {{"0.weight", {2, 1}, {1, 2}},
         {"0.bias", {2}, {0, 0}},
         {"1.0.weight", {2, 2}, {1, 0, 0, -1}},
         {"1.0.bias", {2}, {0, 0}},
         {"2.weight", {2, 2}, {1, 0, 0, 1}},
         {"2.bias", {2}, {0, 0}}},
        {}, Task::svm);
  // (3, 6) + 2 · relu(3, -6)
  EXPECT_EQ(load().predict(std::vector<float>{3}, 1), (std::vector<float>{9, 6}));
}

TEST_F(PredictorTest, AnswersAreTheSameAloneInBatchesAndFromManyThreads) {
  constexpr std::size_t rows = 600;  // more than are computed at once
  write("[linear: 8, relu, linear: auto]", {4},
        {{"0.weight", {8, 4}, std::vector<float>(32, 0.25F)},
         {"0.bias", {8}, std::vector<float>(8, 0.125F)},
         {"2.weight", {2, 8}, {1, 2, 3, 4, 5, 6, 7, 8, -1, 1, -1, 1, -1, 1, -1, 1}},
         {"2.bias", {2}, {0, 1}}});
  const Predictor predictor = load();
  std::vector<float> data(rows * 4);
  std::iota(data.begin(), data.end(), -1000.0F);
  for (float& value : data) {
    value /= 10'000;
  }
  const std::vector<float> together = predictor.predict(data, rows);
  ASSERT_EQ(together.size(), rows * 2);
  {
    std::vector<std::jthread> threads;
    for (std::size_t first = 0; first < 4; ++first) {
      threads.emplace_back([&, first] {
        for (std::size_t row = first; row < rows; row += 4) {
          const std::vector<float> alone = predictor.predict(std::span(data).subspan(row * 4, 4), 1);
          EXPECT_NEAR(alone[0], together[row * 2], 1e-6);
          EXPECT_NEAR(alone[0] + alone[1], 1, 1e-6);
        }
      });
    }
  }
}

TEST_F(PredictorTest, NoRowsGiveNoScores) {
  write("[linear: auto]", {1}, {{"0.weight", {2, 1}, {1, -1}}, {"0.bias", {2}, {0, 0}}});
  EXPECT_TRUE(load().predict({}, 0).empty());
  EXPECT_THROW(load().predict(std::vector<float>{1, 2, 3}, 2), Error);
}

TEST_F(PredictorTest, WeightsThatDoNotFitAreRefused) {
  const NamedTensor bias = {"0.bias", {2}, {0, 0}};
  write("[linear: auto]", {1}, {{"0.weight", {2, 2}, {1, 2, 3, 4}}, bias});
  EXPECT_NE(load_fault().find("'0.weight' has the shape [2, 2], and the network needs [2, 1]"),
            std::string::npos);
  write("[linear: auto]", {1}, {bias});
  EXPECT_NE(load_fault().find("'0.weight' is not in it"), std::string::npos);
  write("[linear: auto]", {1}, {{"0.weight", {2, 1}, {1, 2}}, bias, {"1.weight", {1}, {1}}});
  EXPECT_NE(load_fault().find("no tensor '1.weight'"), std::string::npos);
}

TEST_F(PredictorTest, ChangedOrMissingWeightsAreRefused) {
  write("[linear: auto]", {1}, {{"0.weight", {2, 1}, {1, -1}}, {"0.bias", {2}, {0, 0}}});
  std::string bytes = read_file(folder() / weights_file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file_atomically(folder() / weights_file, bytes);
  EXPECT_NE(load_fault().find("its SHA-256 is"), std::string::npos);
  std::filesystem::remove(folder() / weights_file);
  EXPECT_NE(load_fault().find("weights.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace mlpipe
