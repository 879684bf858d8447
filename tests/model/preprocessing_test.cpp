#include "pipeline/model/preprocessing.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

using Values = std::vector<float>;

Values applied(const Preprocessing& preprocessing, Values values, std::size_t width) {
  preprocessing.apply(values, values, width);
  return values;
}

TEST(Preprocessing, ScalesEachValueByItsOwn) {
  const Preprocessing scaling{Preprocessing::Kind::standardize, {1, 10}, {2, 5}};
  EXPECT_EQ(applied(scaling, {1, 10, 3, 0}, 2), (Values{0, 0, 1, -2}));
}

TEST(Preprocessing, ScalesAllValuesByOne) {
  const Preprocessing scaling{Preprocessing::Kind::minmax, {0}, {16}};
  EXPECT_EQ(applied(scaling, {0, 8, 16}, 3), (Values{0, 0.5, 1}));
}

TEST(Preprocessing, NoneLeavesValuesAlone) {
  const Values raw = {1, 2};
  Values result(2);
  Preprocessing{}.apply(raw, result, 2);
  EXPECT_EQ(result, raw);
}

TEST(Preprocessing, ScalesEachChannelByItsOwn) {
  const Preprocessing scaling{Preprocessing::Kind::standardize, {1, 10}, {2, 5}};
  EXPECT_EQ(applied(scaling, {1, 3, 10, 15, 5, 7, 0, 20}, 4), (Values{0, 1, 0, 1, 2, 3, -2, 2}));
}

TEST(Preprocessing, ACategoryBecomesOneValueEachBeforeTheScaling) {
  const Preprocessing encoding{Preprocessing::Kind::standardize, {1, 0, 0, 0.5}, {2, 1, 1, 1}, {0, 3}};
  EXPECT_EQ(encoding.encoded_values(2), 4U);
  const Values raw = {5, 2, 1, 0, 3, -1, 3, 7};
  Values result(16);
  encoding.apply(raw, result, 2);
  EXPECT_EQ(result, (Values{2, 0, 0, 0.5, 0, 1, 0, -0.5, 1, 0, 0, -0.5, 1, 0, 0, -0.5}));
  EXPECT_THROW(encoding.apply(raw, std::span(result).first(8), 2), Error);
  EXPECT_THROW(encoding.apply(Values{1, 2, 3}, result, 3), Error);
}

TEST(Preprocessing, RefusesWhatDoesNotFit) {
  const Preprocessing scaling{Preprocessing::Kind::minmax, {0, 1}, {1, 1}};
  EXPECT_THROW(applied(scaling, {1, 2, 3}, 2), Error);
  EXPECT_THROW(applied(scaling, {1, 2, 3}, 3), Error);
}

}  // namespace
}  // namespace mlpipe
