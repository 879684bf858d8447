#include <gtest/gtest.h>
#include <torch/types.h>

#include "trainer/network/dropout_module.hpp"

namespace mlpipe {
namespace {

double share_of_zeros(const torch::Tensor& values) {
  return values.eq(0).to(torch::kFloat64).mean().item<double>();
}

TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  torch::manual_seed(1);
  const torch::Tensor ones = torch::ones({1001, 999});  // no multiple of four
  for (const double rate : {0.25, 0.5, 0.9}) {
    DropoutModule dropout(rate);
    const torch::Tensor dropped = dropout.forward(ones);
    EXPECT_NEAR(share_of_zeros(dropped), rate, 0.005) << rate;
    EXPECT_NEAR(dropped.mean().item<double>(), 1, 0.01) << rate;
    // Every row and every column alike: the sixteen bits do not depend on the place.
    EXPECT_LT((dropped.eq(0).to(torch::kFloat64).mean(0) - rate).abs().max().item<double>(), 0.09) << rate;
    EXPECT_LT((dropped.eq(0).to(torch::kFloat64).mean(1) - rate).abs().max().item<double>(), 0.09) << rate;
  }
}

TEST(Dropout, DropsNothingOrEverythingAtTheEndsAndOutsideOfTraining) {
  const torch::Tensor values = torch::rand({7, 5}) + 1;
  EXPECT_TRUE(DropoutModule(0).forward(values).equal(values));
  EXPECT_EQ(share_of_zeros(DropoutModule(1).forward(values)), 1);
  DropoutModule trained(0.5);
  trained.eval();
  EXPECT_TRUE(trained.forward(values).equal(values));
}

TEST(Dropout, KeepsTheMemoryFormatAndPassesGradientsToWhatItKept) {
  const torch::Tensor images =
      torch::ones({2, 3, 5, 7}).contiguous(torch::MemoryFormat::ChannelsLast).set_requires_grad(true);
  DropoutModule dropout(0.5);
  const torch::Tensor dropped = dropout.forward(images);
  EXPECT_TRUE(dropped.is_contiguous(torch::MemoryFormat::ChannelsLast));
  dropped.sum().backward();
  EXPECT_TRUE(images.grad().equal(dropped));  // 0 where dropped, 2 elsewhere
  EXPECT_TRUE(dropout.forward(images.slice(3, 0, 7, 2)).isfinite().all().item<bool>());  // with gaps
}

TEST(Dropout, TheSeedDecides) {
  const torch::Tensor ones = torch::ones(1000);
  DropoutModule dropout(0.5);
  torch::manual_seed(3);
  const torch::Tensor first = dropout.forward(ones);
  const torch::Tensor second = dropout.forward(ones);
  EXPECT_FALSE(first.equal(second));
  torch::manual_seed(3);
  EXPECT_TRUE(dropout.forward(ones).equal(first));
}

}  // namespace
}  // namespace mlpipe
