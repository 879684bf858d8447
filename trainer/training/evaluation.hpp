#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/model/task.hpp"
#include "pipeline/model/training.hpp"

namespace mlpipe {

// Held-out examples as the model answered them.
struct Answers {
  Task task = Task::classification;
  RegressionLoss loss = RegressionLoss::mse;
  std::span<const std::string> labels{};    // or, for regression, the names of the target columns
  std::span<const float> scores{};          // [examples, labels], as the predictor gives them
  std::span<const std::int64_t> classes{};  // [examples]; not for regression
  std::span<const float> targets{};         // regression: [examples, target columns]
  std::span<const float> target_divisor{};  // regression: the loss is that of targets divided by it
};

// How good they are. The order of the metrics is that of metrics.json, the most telling first:
//   classification  accuracy, loss, top5_accuracy (from six labels on), f1_macro, f1_of_LABEL …
//   binary          accuracy, loss, roc_auc, f1_macro, f1_of_LABEL …
//   svm             accuracy, loss, f1_macro, f1_of_LABEL …
//   regression      mae, loss, mse, r2; with several targets mae_of_TARGET …
struct Evaluation {
  std::vector<std::pair<std::string, double>> metrics;
  std::vector<std::size_t> confusion;  // [labels of the truth, labels of the answer]; not for regression

  std::optional<double> find(const std::string& name) const;
};

Evaluation evaluate(const Answers& answers);

// The index of the highest score.
std::size_t best_of(std::span<const float> scores);

}  // namespace mlpipe
