#pragma once

#include <cstdint>
#include <optional>

#include "pipeline/model/optimization.hpp"

namespace mlpipe {

// Follows a metric over the epochs: its best value and how long there was no better one.
struct Improvement {
  bool lower_is_better = false;
  double min_delta = 0;          // what a value must be better by to count
  std::optional<double> best{};  // none yet
  std::int64_t waited = 0;       // epochs since then

  // Whether this value is the best so far. One that is no number never is.
  bool observe(double value);
};

// The learning rate of every step of a training.
class LearningRate {
 public:
  // What the epochs so far made of it; a checkpoint holds it.
  struct State {
    double factor = 1;        // plateau: the product of all falls
    std::int64_t waited = 0;  // plateau: epochs without a better metric since the last
  };

  LearningRate(const Schedule& schedule, double base, std::int64_t epochs, std::int64_t batches)
      : schedule_(schedule), base_(base), epochs_(epochs), batches_(batches) {}

  // In the given batch of the given epoch, both from 0.
  double at(std::int64_t epoch, std::int64_t batch) const;
  // Told after each epoch whether the metric is the best so far.
  void epoch_ended(bool better);

  const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  double scheduled(double passed) const;

  Schedule schedule_;
  double base_;
  std::int64_t epochs_;
  std::int64_t batches_;  // in an epoch
  State state_;
};

}  // namespace mlpipe
