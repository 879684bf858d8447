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

TEST(Preprocessing, RefusesWhatDoesNotFit) {
  const Preprocessing scaling{Preprocessing::Kind::minmax, {0, 1}, {1, 1}};
  EXPECT_THROW(applied(scaling, {1, 2, 3}, 2), Error);
  EXPECT_THROW(applied(scaling, {1, 2, 3}, 3), Error);
}

}  // namespace
}  // namespace mlpipe
