#include "pipeline/spec/expression.hpp"

#include <gtest/gtest.h>

#include <map>

namespace mlpipe {
namespace {

const std::map<std::string, double> metrics = {{"accuracy", 0.912}, {"loss", 0.3}, {"train.f1", 0.5}};

// Knows the metrics above; `current` is absent.
Value look_up(const Expression& reference) {
  if (reference.reference.front() == "current") {
    return {};
  }
  const auto found = metrics.find(reference.reference_text());
  if (found == metrics.end()) {
    throw ExpressionError(reference.offset, "unknown " + reference.reference_text());
  }
  return Value::of_number(found->second);
}

bool holds(const std::string& text) {
  return evaluate(parse_expression(text), look_up).boolean;
}

TEST(Expression, FollowsTheUsualPrecedence) {
  EXPECT_EQ(evaluate(parse_expression("1 + 2 * 3 - 4 / 2"), look_up).number, 5);
  EXPECT_EQ(evaluate(parse_expression("-(1 + 2) * 3"), look_up).number, -9);
  EXPECT_TRUE(holds("1 < 2 and not 2 < 1 or 1 > 2"));
  EXPECT_TRUE(holds("accuracy >= 0.9 and loss < 0.31"));
  EXPECT_FALSE(holds("accuracy >= 0.9 and loss < 0.29"));
}

TEST(Expression, ReadsReferencesWithBracketsAndHyphens) {
  const Expression expression = parse_expression("steps.train-small.outs['mnist.npz']");
  EXPECT_EQ(expression.reference, (std::vector<std::string>{"steps", "train-small", "outs", "mnist.npz"}));
  EXPECT_EQ(expression.reference_text(), "steps.train-small.outs['mnist.npz']");
}

TEST(Expression, AComparisonWithNothingHolds) {
  EXPECT_TRUE(holds("accuracy >= current.accuracy - 0.002"));
  EXPECT_FALSE(holds("accuracy >= 0.99 and accuracy >= current.accuracy"));
}

TEST(Expression, SaysWhichTermIsMissedByHowMuch) {
  const Expression gate = parse_expression("accuracy >= 0.985 and loss <= 0.2 and train.f1 > 0.1");
  const std::vector<std::string> unmet = unmet_terms(gate, look_up);
  ASSERT_EQ(unmet.size(), 2U);
  EXPECT_EQ(unmet[0], "accuracy is 0.912, wanted >= 0.985: short by 0.073");
  EXPECT_EQ(unmet[1], "loss is 0.3, wanted <= 0.2: over by 0.1");
  EXPECT_TRUE(unmet_terms(parse_expression("accuracy > 0.5"), look_up).empty());
}

struct Fault {
  std::string text;
  std::size_t offset;
};

class FaultyExpression : public testing::TestWithParam<Fault> {};

TEST_P(FaultyExpression, IsRefusedAtItsPlace) {
  try {
    evaluate(parse_expression(GetParam().text), look_up);
    FAIL() << GetParam().text << " was accepted";
  } catch (const ExpressionError& error) {
    EXPECT_EQ(error.offset(), GetParam().offset) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, FaultyExpression,
                         testing::Values(Fault{"", 0}, Fault{"1 +", 3}, Fault{"(1", 2}, Fault{"1 2", 2},
                                         Fault{"a && b", 2}, Fault{"!a", 0}, Fault{"a = 1", 2},
                                         Fault{"1 < 2 < 3", 6}, Fault{"x.", 2}, Fault{"x[1]", 2},
                                         Fault{"x['a'", 5}, Fault{"'abc", 0}, Fault{"1.2.3", 0},
                                         Fault{"1 / 0", 2}, Fault{"accuracy and loss > 1", 0},
                                         Fault{"nosuch > 1", 0}, Fault{std::string(1000, '('), 64}));

TEST(Template, KeepsTextAndExpressionsApart) {
  const Template parsed = parse_template("a ${{ params.x }} b ${{1}}");
  ASSERT_EQ(parsed.pieces.size(), 4U);
  EXPECT_EQ(parsed.pieces[0].text, "a ");
  EXPECT_TRUE(parsed.pieces[1].is_expression);
  EXPECT_EQ(parsed.pieces[2].text, " b ");
  EXPECT_FALSE(parsed.is_constant());
  EXPECT_EQ(parsed.single_expression(), nullptr);
  EXPECT_NE(parse_template("${{ params.x }}").single_expression(), nullptr);
  EXPECT_THROW(parse_template("${{ params.x"), ExpressionError);
}

}  // namespace
}  // namespace mlpipe
