#include "trainer/training/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mlpipe {
namespace {

std::span<const float> row_of(std::span<const float> values, std::size_t row, std::size_t width) {
  return values.subspan(row * width, width);
}

double square(double value) {
  return value * value;
}

// Mean of what a function gives for each example.
template <typename Function>
double mean_over(std::size_t count, Function&& function) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += function(i);
  }
  return sum / static_cast<double>(count);
}

double log_loss(float probability) {
  constexpr float least = 1e-30F;  // of a class that was ruled out: its logarithm must stay finite
  return -std::log(static_cast<double>(std::max(probability, least)));
}

double hinge_loss(std::span<const float> margins, std::size_t truth) {
  double sum = 0;
  for (std::size_t label = 0; label < margins.size(); ++label) {
    const double sign = label == truth ? 1 : -1;
    sum += std::max(0.0, 1 - sign * static_cast<double>(margins[label]));
  }
  return sum;
}

// As scikit-learn counts it: the truth is among the five highest scores.
bool is_among_best(std::span<const float> scores, std::size_t truth, std::ptrdiff_t places) {
  const auto higher =
      std::count_if(scores.begin(), scores.end(), [&](float score) { return score > scores[truth]; });
  return higher < places;
}

// The chance that an example of the second class has a higher score than one of the first; equal scores
// count half (Mann and Whitney's statistic). One class alone has none: not a number.
double roc_auc(const Answers& answers) {
  const std::size_t count = answers.classes.size();
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  const auto score = [&](std::size_t example) { return answers.scores[example * 2 + 1]; };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score(a) < score(b); });
  double ranks = 0;  // of the second class, from 1, equal scores sharing theirs
  double positives = 0;
  for (std::size_t first = 0; first < count;) {
    std::size_t end = first;
    double here = 0;
    for (; end < count && score(order[end]) == score(order[first]); ++end) {
      here += answers.classes[order[end]] == 1 ? 1 : 0;
    }
    ranks += here * (static_cast<double>(first + 1) + static_cast<double>(end)) / 2;
    positives += here;
    first = end;
  }
  const double negatives = static_cast<double>(count) - positives;
  return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

// Harmonic mean of precision and recall; 0 for a label that was neither there nor answered.
double f1_of(const std::vector<std::size_t>& confusion, std::size_t label, std::size_t labels) {
  std::size_t answered = 0;
  std::size_t there = 0;
  for (std::size_t other = 0; other < labels; ++other) {
    answered += confusion[other * labels + label];
    there += confusion[label * labels + other];
  }
  return answered + there == 0 ? 0
                               : 2.0 * static_cast<double>(confusion[label * labels + label]) /
                                     static_cast<double>(answered + there);
}

Evaluation evaluate_classes(const Answers& answers) {
  const std::size_t labels = answers.labels.size();
  const std::size_t count = answers.classes.size();
  const auto scores = [&](std::size_t example) { return row_of(answers.scores, example, labels); };
  const auto truth = [&](std::size_t example) { return static_cast<std::size_t>(answers.classes[example]); };
  Evaluation result;
  result.confusion.assign(labels * labels, 0);
  std::size_t right = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t answer = best_of(scores(i));
    ++result.confusion[truth(i) * labels + answer];
    right += answer == truth(i) ? 1 : 0;
  }
  auto& metrics = result.metrics;
  metrics.emplace_back("accuracy", static_cast<double>(right) / static_cast<double>(count));
  metrics.emplace_back("loss", mean_over(count, [&](std::size_t i) {
                         return answers.task == Task::svm ? hinge_loss(scores(i), truth(i))
                                                          : log_loss(scores(i)[truth(i)]);
                       }));
  constexpr std::ptrdiff_t five = 5;
  if (answers.task == Task::classification && labels > five) {
    metrics.emplace_back("top5_accuracy", mean_over(count, [&](std::size_t i) {
                           return is_among_best(scores(i), truth(i), five) ? 1.0 : 0.0;
                         }));
  }
  if (const double area = answers.task == Task::binary ? roc_auc(answers) : std::nan(""); !std::isnan(area)) {
    metrics.emplace_back("roc_auc", area);
  }
  const auto f1 = [&](std::size_t label) { return f1_of(result.confusion, label, labels); };
  metrics.emplace_back("f1_macro", mean_over(labels, f1));
  for (std::size_t label = 0; label < labels; ++label) {
    metrics.emplace_back("f1_of_" + answers.labels[label], f1(label));
  }
  return result;
}

double regression_loss(RegressionLoss loss, double distance) {
  switch (loss) {
    case RegressionLoss::mae:
      return std::abs(distance);
    case RegressionLoss::huber:
      return std::abs(distance) < 1 ? square(distance) / 2 : std::abs(distance) - 0.5;
    case RegressionLoss::mse:
      break;
  }
  return square(distance);
}

// The share of the target's variance that is explained; 1 or 0 where the target does not vary.
double r2_of(const Answers& answers, std::size_t target, std::size_t targets, std::size_t count) {
  const auto truth = [&](std::size_t i) {
    return static_cast<double>(answers.targets[i * targets + target]);
  };
  const auto answer = [&](std::size_t i) {
    return static_cast<double>(answers.scores[i * targets + target]);
  };
  const double mean = mean_over(count, truth);
  const double unexplained = mean_over(count, [&](std::size_t i) { return square(truth(i) - answer(i)); });
  const double variance = mean_over(count, [&](std::size_t i) { return square(truth(i) - mean); });
  if (variance == 0) {
    return unexplained == 0 ? 1 : 0;
  }
  return 1 - unexplained / variance;
}

Evaluation evaluate_regression(const Answers& answers) {
  const std::size_t targets = answers.labels.size();
  const std::size_t count = answers.targets.size() / targets;
  const auto distance = [&](std::size_t i) {
    return static_cast<double>(answers.scores[i]) - static_cast<double>(answers.targets[i]);
  };
  const auto mean = [&](RegressionLoss loss) {
    return mean_over(count * targets, [&](std::size_t i) { return regression_loss(loss, distance(i)); });
  };
  const auto divisor = [&](std::size_t i) {
    return answers.target_divisor.empty() ? 1.0 : static_cast<double>(answers.target_divisor[i % targets]);
  };
  Evaluation result;
  auto& metrics = result.metrics;
  metrics.emplace_back("mae", mean(RegressionLoss::mae));
  metrics.emplace_back("loss", mean_over(count * targets, [&](std::size_t i) {
                         return regression_loss(answers.loss, distance(i) / divisor(i));
                       }));
  metrics.emplace_back("mse", mean(RegressionLoss::mse));
  metrics.emplace_back(
      "r2", mean_over(targets, [&](std::size_t target) { return r2_of(answers, target, targets, count); }));
  for (std::size_t target = 0; targets > 1 && target < targets; ++target) {
    metrics.emplace_back("mae_of_" + answers.labels[target], mean_over(count, [&](std::size_t i) {
                           return std::abs(distance(i * targets + target));
                         }));
  }
  return result;
}

}  // namespace

std::optional<double> Evaluation::find(const std::string& name) const {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.first == name; });
  return found == metrics.end() ? std::nullopt : std::optional(found->second);
}

Evaluation evaluate(const Answers& answers) {
  return answers.task == Task::regression ? evaluate_regression(answers) : evaluate_classes(answers);
}

std::size_t best_of(std::span<const float> scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

}  // namespace mlpipe
