#include "trainer/training/evaluation.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace mlpipe {
namespace {

using Labels = std::vector<std::string>;

TEST(Evaluation, ClassificationCountsByLabel) {
  const Labels labels = {"a", "b", "c"};
  const std::vector<float> scores = {0.8F, 0.1F, 0.1F,   // a, right
                                     0.2F, 0.5F, 0.3F,   // a, taken for b
                                     0.1F, 0.7F, 0.2F,   // b, right
                                     0.4F, 0.5F, 0.1F};  // b, right
  const std::vector<std::int64_t> classes = {0, 0, 1, 1};
  const Evaluation result =
      evaluate({.task = Task::classification, .labels = labels, .scores = scores, .classes = classes});
  EXPECT_DOUBLE_EQ(*result.find("accuracy"), 0.75);
  EXPECT_NEAR(*result.find("loss"), -(std::log(0.8) + std::log(0.2) + std::log(0.7) + std::log(0.5)) / 4,
              1e-6);
  EXPECT_DOUBLE_EQ(*result.find("f1_of_a"), 2.0 / 3);  // precision 1, recall 1/2
  EXPECT_DOUBLE_EQ(*result.find("f1_of_b"), 0.8);      // precision 2/3, recall 1
  EXPECT_DOUBLE_EQ(*result.find("f1_of_c"), 0);
  EXPECT_DOUBLE_EQ(*result.find("f1_macro"), (2.0 / 3 + 0.8) / 3);
  EXPECT_EQ(result.confusion, (std::vector<std::size_t>{1, 1, 0, 0, 2, 0, 0, 0, 0}));
  EXPECT_FALSE(result.find("top5_accuracy"));
  EXPECT_EQ(result.metrics.front().first, "accuracy");
}

TEST(Evaluation, TopFiveNeedsMoreThanFiveLabels) {
  const Labels labels = {"0", "1", "2", "3", "4", "5"};
  const std::vector<float> scores = {0.3F, 0.25F, 0.2F, 0.12F, 0.08F, 0.05F,
                                     0.3F, 0.25F, 0.2F, 0.12F, 0.08F, 0.05F};
  const std::vector<std::int64_t> classes = {4, 5};
  const Evaluation result =
      evaluate({.task = Task::classification, .labels = labels, .scores = scores, .classes = classes});
  EXPECT_DOUBLE_EQ(*result.find("top5_accuracy"), 0.5);
  EXPECT_DOUBLE_EQ(*result.find("accuracy"), 0);
}

TEST(Evaluation, AucCountsPairsAndSharesTies) {
  const Labels labels = {"no", "yes"};
  std::vector<float> scores;
  for (const float yes : {0.1F, 0.4F, 0.4F, 0.8F}) {
    scores.insert(scores.end(), {1 - yes, yes});
  }
  const std::vector<std::int64_t> classes = {0, 0, 1, 1};
  const Evaluation result =
      evaluate({.task = Task::binary, .labels = labels, .scores = scores, .classes = classes});
  EXPECT_DOUBLE_EQ(*result.find("roc_auc"), 3.5 / 4);  // of four pairs three are right and one is a tie
  const std::vector<std::int64_t> alone = {1, 1, 1, 1};
  EXPECT_FALSE(
      evaluate({.task = Task::binary, .labels = labels, .scores = scores, .classes = alone}).find("roc_auc"));
}

TEST(Evaluation, SvmsLossIsTheHingeOfEveryMargin) {
  const Labels labels = {"a", "b"};
  const std::vector<float> margins = {2, -0.5F};
  const std::vector<std::int64_t> classes = {0};
  const Evaluation result =
      evaluate({.task = Task::svm, .labels = labels, .scores = margins, .classes = classes});
  EXPECT_DOUBLE_EQ(*result.find("loss"), 0.5);
}

TEST(Evaluation, Regression) {
  const Labels labels = {"x", "y"};
  const std::vector<float> scores = {1, 10, 3, 30};
  const std::vector<float> targets = {2, 10, 4, 34};
  const std::vector<float> divisor = {1, 2};
  const Evaluation result = evaluate({.task = Task::regression,
                                      .loss = RegressionLoss::huber,
                                      .labels = labels,
                                      .scores = scores,
                                      .targets = targets,
                                      .target_divisor = divisor});
  EXPECT_DOUBLE_EQ(*result.find("mae"), 6.0 / 4);
  EXPECT_DOUBLE_EQ(*result.find("mse"), 18.0 / 4);
  EXPECT_DOUBLE_EQ(*result.find("loss"), (0.5 + 0 + 0.5 + 1.5) / 4);  // the last distance is 4 / 2
  EXPECT_DOUBLE_EQ(*result.find("r2"), ((1 - 2.0 / 2) + (1 - 16.0 / 288)) / 2);
  EXPECT_DOUBLE_EQ(*result.find("mae_of_y"), 2);
  EXPECT_TRUE(result.confusion.empty());
}

}  // namespace
}  // namespace mlpipe
