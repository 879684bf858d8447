#include "pipeline/plan/recipe.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

TEST(Recipe, ReadsItsOwnTextBack) {
  Recipe recipe;
  recipe.add("environment", "A", "line one\nline two 3:x");
  recipe.add("dependency", "data/a b.csv", "file:00");
  recipe.add("out", "", "");
  EXPECT_EQ(Recipe::parse(recipe.text()), recipe);
}

TEST(Recipe, DoesNotDependOnTheOrderOfItsFields) {
  Recipe one;
  one.add("a", "x", "1");
  one.add("b", "y", "2");
  Recipe other;
  other.add("b", "y", "2");
  other.add("a", "x", "1");
  EXPECT_EQ(one.digest(), other.digest());
}

TEST(Recipe, NoTwoRecipesShareAText) {
  Recipe one;
  one.add("environment", "A", "1\nenvironment 1:B 1:2");
  Recipe other;
  other.add("environment", "A", "1");
  other.add("environment", "B", "2");
  EXPECT_NE(one.digest(), other.digest());
}

TEST(Recipe, RefusesADamagedText) {
  Recipe recipe;
  recipe.add("environment", "A", "1");
  const std::string text = recipe.text();
  for (std::size_t length = 0; length < text.size(); ++length) {
    const std::string cut = text.substr(0, length);
    if (cut != "mlpipe-recipe 1\n") {
      EXPECT_THROW(Recipe::parse(cut), Error) << length;
    }
  }
  EXPECT_THROW(Recipe::parse("mlpipe-recipe 1\na 99999999999999999999:x 1:y\n"), Error);
}

}  // namespace
}  // namespace mlpipe
