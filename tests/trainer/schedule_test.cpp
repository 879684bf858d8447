#include "trainer/training/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace mlpipe {
namespace {

constexpr std::int64_t batches = 10;

LearningRate rate_of(const Schedule& schedule, std::int64_t epochs = 20) {
  return LearningRate(schedule, 0.1, epochs, batches);
}

TEST(LearningRate, StepFallsAfterSoManyEpochs) {
  const LearningRate rate = rate_of({.kind = Schedule::Kind::step, .every = 3, .factor = 0.5});
  EXPECT_DOUBLE_EQ(rate.at(0, 0), 0.1);
  EXPECT_DOUBLE_EQ(rate.at(2, 9), 0.1);
  EXPECT_DOUBLE_EQ(rate.at(3, 0), 0.05);
  EXPECT_DOUBLE_EQ(rate.at(6, 5), 0.025);
}

TEST(LearningRate, CosineFallsFromTheWarmUpToTheLastEpoch) {
  const LearningRate rate = rate_of({.kind = Schedule::Kind::cosine, .warmup = 4, .least = 0.02});
  EXPECT_NEAR(rate.at(4, 0), 0.1, 1e-12);
  EXPECT_NEAR(rate.at(12, 0), 0.06, 1e-12);
  EXPECT_NEAR(rate.at(20, 0), 0.02, 1e-12);
}

TEST(LearningRate, TheWarmUpRisesFromMoreThanNothing) {
  const LearningRate rate = rate_of({.warmup = 2});
  EXPECT_GT(rate.at(0, 0), 0);
  for (std::int64_t batch = 1; batch < 2 * batches; ++batch) {
    EXPECT_NEAR(
        rate.at(batch / batches, batch % batches) - rate.at((batch - 1) / batches, (batch - 1) % batches),
        0.1 / (2 * batches + 1), 1e-12);
  }
  EXPECT_DOUBLE_EQ(rate.at(2, 0), 0.1);
}

TEST(LearningRate, PlateauFallsWhenNothingGetsBetter) {
  LearningRate rate =
      rate_of({.kind = Schedule::Kind::plateau, .factor = 0.1, .patience = 2, .least = 0.005});
  for (const bool better : {true, false, false}) {
    rate.epoch_ended(better);
    EXPECT_DOUBLE_EQ(rate.at(0, 0), 0.1);
  }
  rate.epoch_ended(false);
  EXPECT_DOUBLE_EQ(rate.at(0, 0), 0.01);
  LearningRate resumed =
      rate_of({.kind = Schedule::Kind::plateau, .factor = 0.1, .patience = 2, .least = 0.005});
  resumed.restore(rate.state());
  for (int epoch = 0; epoch < 3; ++epoch) {
    resumed.epoch_ended(false);
  }
  EXPECT_DOUBLE_EQ(resumed.at(0, 0), 0.005);
}

TEST(Improvement, CountsTheEpochsWithoutOne) {
  Improvement loss = {.lower_is_better = true, .min_delta = 0.1};
  EXPECT_TRUE(loss.observe(1));
  EXPECT_FALSE(loss.observe(0.95));  // better, but not by enough
  EXPECT_FALSE(loss.observe(std::nan("")));
  EXPECT_EQ(loss.waited, 2);
  EXPECT_TRUE(loss.observe(0.8));
  EXPECT_EQ(loss.waited, 0);
  Improvement accuracy;
  EXPECT_TRUE(accuracy.observe(0.5));
  EXPECT_FALSE(accuracy.observe(0.5));
  EXPECT_TRUE(accuracy.observe(0.6));
}

}  // namespace
}  // namespace mlpipe
