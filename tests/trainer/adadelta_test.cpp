#include "trainer/training/adadelta.hpp"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace mlpipe {
namespace {

// Minimises (w - 3)² and follows the paper's recurrence in plain arithmetic beside it.
TEST(Adadelta, FollowsThePapersRecurrence) {
  AdadeltaOptions options;
  options.learning_rate = 0.5;
  torch::Tensor weight = torch::ones({1}, torch::dtype(torch::kFloat64).requires_grad(true));
  Adadelta optimizer({weight}, options);
  double expected = 1;
  double squared_gradient = 0;
  double squared_change = 0;
  for (int step = 0; step < 50; ++step) {
    optimizer.zero_grad();
    (weight - 3).pow(2).sum().backward();
    optimizer.step();
    const double gradient = 2 * (expected - 3);
    squared_gradient = 0.9 * squared_gradient + 0.1 * gradient * gradient;
    const double change = std::sqrt(squared_change + 1e-6) / std::sqrt(squared_gradient + 1e-6) * gradient;
    squared_change = 0.9 * squared_change + 0.1 * change * change;
    expected -= 0.5 * change;
    ASSERT_NEAR(weight.item<double>(), expected, 1e-12) << step;
  }
  EXPECT_GT(expected, 1);
}

}  // namespace
}  // namespace mlpipe
