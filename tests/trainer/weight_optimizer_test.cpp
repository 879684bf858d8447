#include "trainer/training/weight_optimizer.hpp"

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace mlpipe {
namespace {

constexpr double rate = 0.5;

// Minimises (w - 3)² for two weights, one of which is large enough to be worked on in blocks, and follows the
// given recurrence, from the gradient to the weight's new value, in plain arithmetic beside it.
void expect_follows(const Optimizer& optimizer,
                    const std::function<double(double weight, double gradient, int step)>& recurrence) {
  const at::Tensor small = at::ones({1}, at::kDouble).set_requires_grad(true);
  const at::Tensor large = at::ones({70, 500}, at::kDouble).set_requires_grad(true);
  WeightOptimizer moved(optimizer, {small, large});
  double expected = 1;
  for (int step = 1; step <= 30; ++step) {
    for (const at::Tensor& weight : {small, large}) {
      weight.mutable_grad().reset();
      weight.sub(3).pow(2).sum().backward();
    }
    moved.step(rate);
    expected = recurrence(expected, 2 * (expected - 3), step);
    ASSERT_NEAR(small.item<double>(), expected, 1e-6) << step;
    ASSERT_NEAR(large.max().item<double>(), expected, 1e-6) << step;
    ASSERT_NEAR(large.min().item<double>(), expected, 1e-6) << step;
  }
  EXPECT_EQ(moved.steps(), 30);
}

TEST(WeightOptimizer, Sgd) {
  expect_follows(
      {.kind = Optimizer::Kind::sgd, .weight_decay = 0.01},
      [](double weight, double gradient, int) { return weight - rate * (gradient + 0.01 * weight); });
  for (const bool nesterov : {false, true}) {
    double velocity = 0;
    expect_follows({.kind = Optimizer::Kind::sgd, .momentum = 0.8, .nesterov = nesterov},
                   [&](double weight, double gradient, int step) {
                     velocity = step == 1 ? gradient : 0.8 * velocity + gradient;
                     return weight - rate * (nesterov ? gradient + 0.8 * velocity : velocity);
                   });
  }
}

// D. Kingma and J. Ba, 2015; I. Loshchilov and F. Hutter, 2019.
TEST(WeightOptimizer, AdamAndAdamw) {
  for (const auto kind : {Optimizer::Kind::adam, Optimizer::Kind::adamw}) {
    double mean = 0;
    double square = 0;
    expect_follows({.kind = kind, .weight_decay = 0.1}, [&](double weight, double gradient, int step) {
      if (kind == Optimizer::Kind::adam) {
        gradient += 0.1 * weight;
      } else {
        weight *= 1 - rate * 0.1;
      }
      mean = 0.9 * mean + 0.1 * gradient;
      square = 0.999 * square + 0.001 * gradient * gradient;
      const double unbiased = mean / (1 - std::pow(0.9, step));
      return weight - rate * unbiased / (std::sqrt(square / (1 - std::pow(0.999, step))) + 1e-8);
    });
  }
}

// M. Zeiler, 2012.
TEST(WeightOptimizer, Adadelta) {
  double square = 0;
  double changes = 0;
  expect_follows({.kind = Optimizer::Kind::adadelta}, [&](double weight, double gradient, int) {
    square = 0.9 * square + 0.1 * gradient * gradient;
    const double change = std::sqrt(changes + 1e-6) / std::sqrt(square + 1e-6) * gradient;
    changes = 0.9 * changes + 0.1 * change * change;
    return weight - rate * change;
  });
}

TEST(WeightOptimizer, Rmsprop) {
  for (const double momentum : {0.0, 0.9}) {
    double square = 0;
    double velocity = 0;
    expect_follows({.kind = Optimizer::Kind::rmsprop, .momentum = momentum, .weight_decay = 0.01},
                   [&](double weight, double gradient, int) {
                     gradient += 0.01 * weight;
                     square = 0.99 * square + 0.01 * gradient * gradient;
                     velocity = momentum * velocity + gradient / (std::sqrt(square) + 1e-8);
                     return weight - rate * velocity;
                   });
  }
}

TEST(WeightOptimizer, AWeightWithoutAGradientStaysWhereItIs) {
  const at::Tensor weight = at::ones({2}).set_requires_grad(true);
  WeightOptimizer optimizer({}, {weight});
  optimizer.step(1);
  EXPECT_EQ(weight.min().item<float>(), 1);
}

}  // namespace
}  // namespace mlpipe
