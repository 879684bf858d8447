#include "pipeline/plan/explain.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

using Texts = std::vector<std::string>;

Recipe recipe(const std::vector<Field>& fields) {
  Recipe one;
  for (const Field& field : fields) {
    one.add(field.tag, field.name, field.value);
  }
  return one;
}

Texts script(const std::string& before, const std::string& after) {
  return differences(recipe({{"script", "0000", before}}), recipe({{"script", "0000", after}}));
}

TEST(Explain, ACommandByItsWords) {
  EXPECT_EQ(script("fit --epochs 3 --lr 1", "fit --epochs 5 --lr 1"),
            Texts{"command: --epochs 3 → --epochs 5"});
  EXPECT_EQ(script("cat a", "cat a b"), Texts{"command: 'b' added"});
  EXPECT_EQ(script("cat a b", "cat a"), Texts{"command: 'b' removed"});
  EXPECT_EQ(script("cat a", "tac a"), Texts{"command: cat → tac"});
  EXPECT_EQ(script("cat  a", "cat a"), Texts{"command: only blanks changed"});
  EXPECT_EQ(script("a", "a"), Texts{});
  EXPECT_EQ(differences(recipe({{"script", "0000", "cat a"}}),
                        recipe({{"command", "0000", "cat"}, {"command", "0001", "a"}})),
            Texts{"the command runs without a shell now"});
  const Texts long_one = script("cat " + std::string(500, 'a'), "cat b");
  ASSERT_EQ(long_one.size(), 1U);
  EXPECT_LT(long_one[0].size(), 120U);
}

TEST(Explain, FilesThatCameWentMovedAndChanged) {
  const Recipe before = recipe({{"dependency", "d/a", "file:1"},
                                {"dependency", "d/b", "file:2"},
                                {"dependency", "d/c", "file:3"},
                                {"dependency", "d/s", "file:4"}});
  const Recipe after = recipe({{"dependency", "d/a", "file:9"},
                               {"dependency", "d/new", "file:2"},
                               {"dependency", "d/s", "executable:4"},
                               {"dependency", "d/x", "file:7"}});
  EXPECT_EQ(differences(before, after), (Texts{"d/a changed", "d/b renamed to d/new", "d/c removed",
                                               "d/s is executable now", "d/x added"}));
}

TEST(Explain, ManyFilesAreCounted) {
  Recipe before;
  Recipe after;
  for (const char c : std::string("abcdefghij")) {
    before.add("dependency", std::string("d/") + c, "file:1");
    after.add("dependency", std::string("d/") + c, "file:2");
  }
  EXPECT_EQ(differences(before, after), (Texts{"d/a changed", "d/b changed", "d/c changed", "d/d changed",
                                               "d/e changed", "5 more files changed"}));
}

TEST(Explain, EveryOtherField) {
  const auto change = [](const std::string& tag, const std::string& name, const std::string& before,
                         const std::string& after) {
    const Texts texts = differences(recipe({{tag, name, before}}), recipe({{tag, name, after}}));
    return texts.size() == 1 ? texts[0] : "not one";
  };
  EXPECT_EQ(change("environment", "COLOR", "red", "blue"), "env.COLOR: red → blue");
  EXPECT_EQ(change("train", "optimizer.adam.lr", "number 0.1", "number 0.2"),
            "train.optimizer.adam.lr: 0.1 → 0.2");
  EXPECT_EQ(change("input", "train/model", "tree:1", "tree:2"), "input train/model changed");
  EXPECT_EQ(change("tool", "python3", "1", "2"), "tool python3 changed");
  EXPECT_EQ(change("architecture", "", "x86_64", "aarch64"), "architecture: x86_64 → aarch64");
  EXPECT_EQ(change("kind", "", "run", "train"), "it is a train step now, and was a run step");
  EXPECT_EQ(differences(recipe({}), recipe({{"environment", "A", "1"}})), Texts{"env.A added"});
  EXPECT_EQ(differences(recipe({{"out", "o", ""}}), recipe({})), Texts{"out o removed"});
}

TEST(Explain, AParamInPlaceOfWhereItIsUsed) {
  const auto reasons = [](const std::string& before, const std::string& after, const std::string& old_value,
                          const std::string& new_value) {
    Step step;
    step.params = {{"lr", new_value}};
    return reasons_to_run(
        step, recipe({{"script", "0000", after}, {"train", "lr", "number " + new_value}}),
        Realization{recipe({{"script", "0000", before}, {"train", "lr", "number " + old_value}}),
                    {{"lr", old_value}}});
  };
  EXPECT_EQ(reasons("fit 0.1", "fit 0.3", "0.1", "0.3"), Texts{"params.lr: 0.1 → 0.3"});
  EXPECT_EQ(reasons("fit 0.1", "fit 0.3 --fast", "0.1", "0.3"),
            (Texts{"params.lr: 0.1 → 0.3", "command: fit 0.1 → fit 0.3 --fast"}));
  EXPECT_EQ(reasons("fit 1 1", "fit 1 15", "1", "15"), Texts{"params.lr: 1 → 15"})
      << "only one of them is the param";
  EXPECT_EQ(reasons("fit", "fit", "1", "1"), Texts{"no result yet"});
}

}  // namespace
}  // namespace mlpipe
