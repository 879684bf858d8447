#include "trainer/training/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mlpipe {

bool Improvement::observe(double value) {
  const bool better = !best || (lower_is_better ? value < *best - min_delta : value > *best + min_delta);
  if (better && !std::isnan(value)) {
    best = value;
    waited = 0;
    return true;
  }
  ++waited;
  return false;
}

double LearningRate::at(std::int64_t epoch, std::int64_t batch) const {
  const double passed =
      static_cast<double>(epoch) + static_cast<double>(batch) / static_cast<double>(batches_);
  const double rate = scheduled(passed);
  if (passed >= schedule_.warmup) {
    return rate;
  }
  const double step = 1 / static_cast<double>(batches_);  // the first batch, too, moves the weights
  return rate * std::min(1.0, (passed + step) / (schedule_.warmup + step));
}

// After so many epochs, the warm-up left aside.
double LearningRate::scheduled(double passed) const {
  switch (schedule_.kind) {
    case Schedule::Kind::step:
      return base_ * std::pow(schedule_.factor, std::floor(passed / static_cast<double>(schedule_.every)));
    case Schedule::Kind::cosine: {
      const double length = static_cast<double>(epochs_) - schedule_.warmup;
      const double share = length <= 0 ? 0 : std::clamp((passed - schedule_.warmup) / length, 0.0, 1.0);
      return schedule_.least + (base_ - schedule_.least) * (1 + std::cos(std::numbers::pi * share)) / 2;
    }
    case Schedule::Kind::plateau:
      return std::max(base_ * state_.factor, std::min(schedule_.least, base_));
    case Schedule::Kind::constant:
      break;
  }
  return base_;
}

void LearningRate::epoch_ended(bool better) {
  state_.waited = better ? 0 : state_.waited + 1;
  if (schedule_.kind == Schedule::Kind::plateau && state_.waited > schedule_.patience) {
    state_.factor *= schedule_.factor;
    state_.waited = 0;
  }
}

}  // namespace mlpipe
