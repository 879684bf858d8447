#include "trainer/network/dropout.hpp"

#include <ATen/Context.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

namespace mlpipe {
namespace {

double share_of_zeros(const at::Tensor& values) {
  return values.eq(0).to(at::kDouble).mean().item<double>();
}

TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  at::manual_seed(1);
  const at::Tensor ones = at::ones({1001, 999});  // no multiple of four
  for (const double rate : {0.25, 0.5, 0.9}) {
    const at::Tensor dropped = dropout(ones, rate);
    EXPECT_NEAR(share_of_zeros(dropped), rate, 0.005) << rate;
    EXPECT_NEAR(dropped.mean().item<double>(), 1, 0.01) << rate;
    // Every row and every column alike: the sixteen bits do not depend on the place.
    EXPECT_LT(dropped.eq(0).to(at::kDouble).mean(0).sub(rate).abs().max().item<double>(), 0.09) << rate;
    EXPECT_LT(dropped.eq(0).to(at::kDouble).mean(1).sub(rate).abs().max().item<double>(), 0.09) << rate;
  }
}

TEST(Dropout, DropsNothingOrEverythingAtTheEnds) {
  const at::Tensor values = at::rand({7, 5}).add(1);
  EXPECT_TRUE(dropout(values, 0).equal(values));
  EXPECT_EQ(share_of_zeros(dropout(values, 1)), 1);
}

TEST(Dropout, KeepsTheMemoryFormatAndPassesGradientsToWhatItKept) {
  const at::Tensor images =
      at::ones({2, 3, 5, 7}).contiguous(at::MemoryFormat::ChannelsLast).set_requires_grad(true);
  const at::Tensor dropped = dropout(images, 0.5);
  EXPECT_TRUE(dropped.is_contiguous(at::MemoryFormat::ChannelsLast));
  dropped.sum().backward();
  EXPECT_TRUE(images.grad().equal(dropped));  // 0 where dropped, 2 elsewhere
  EXPECT_TRUE(dropout(images.slice(3, 0, 7, 2), 0.5).isfinite().all().item<bool>());  // with gaps
}

TEST(Dropout, TheSeedDecides) {
  const at::Tensor ones = at::ones(1000);
  at::manual_seed(3);
  const at::Tensor first = dropout(ones, 0.5);
  const at::Tensor second = dropout(ones, 0.5);
  EXPECT_FALSE(first.equal(second));
  at::manual_seed(3);
  EXPECT_TRUE(dropout(ones, 0.5).equal(first));
}

}  // namespace
}  // namespace mlpipe
