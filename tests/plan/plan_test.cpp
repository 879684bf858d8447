#include "pipeline/plan/plan.hpp"

#include <gtest/gtest.h>

#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;

// a → b → c, and d alone.
constexpr const char* chain = R"(name: p
params: { x: 1, unused: 2 }
steps:
  c: { run: "cat ${{ steps.b.outs.b }} > c", outs: [c] }
  b: { run: "cat ${{ steps.a.outs.a }} > b", outs: [b] }
  a: { run: "echo ${{ params.x }} > a", outs: [a], deps: [in.txt] }
  d: { run: "echo d > d", outs: [d] }
)";

class PlanTest : public testing::Test {
 protected:
  Snapshot snapshot(const std::string& content = "one", bool executable = false,
                    const std::string& name = "in.txt") const {
    Snapshot snapshot;
    snapshot.tools = {"x86_64", "trainer", "1", 2};
    snapshot.dependencies["in.txt"] = {{name, digest_of(content), executable}};
    snapshot.results = &results_;
    return snapshot;
  }

  std::vector<std::string> run(const std::string& text, const Snapshot& seen, const PlanOptions& options = {},
                               const std::vector<std::string>& set = {}) {
    const Spec spec = spec_of(text, set);
    Plan plan(spec, seen, options);
    return run_all(plan, results_, [](const PlannedStep& planned) { return planned.step->name + " bytes"; });
  }

  KnownResults results_;
};

TEST_F(PlanTest, RunsWhatHasNoResultAndNothingTheSecondTime) {
  EXPECT_EQ(run(chain, snapshot()), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(run(chain, snapshot()), std::vector<std::string>{});
}

TEST_F(PlanTest, StopsWhereTheBytesAreTheSame) {
  run(chain, snapshot());
  // `a` runs again for its new input, and writes what it wrote before: b and c are not run.
  EXPECT_EQ(run(chain, snapshot("two")), std::vector<std::string>{"a"});
}

TEST_F(PlanTest, KnowsBeforehandWhatIsUndecided) {
  run(chain, snapshot());
  const Spec spec = spec_of(chain);
  const Snapshot seen = snapshot("two");
  const Plan plan(spec, seen);
  EXPECT_EQ(plan.find("a")->state, State::run);
  EXPECT_EQ(plan.find("a")->reasons, std::vector<std::string>{"in.txt changed"});
  EXPECT_EQ(plan.find("b")->state, State::undecided);
  EXPECT_EQ(plan.find("b")->reasons, std::vector<std::string>{"after a"});
  EXPECT_EQ(plan.find("d")->state, State::cached);
}

TEST_F(PlanTest, SaysWhyAStepRuns) {
  run(chain, snapshot());
  const auto reasons = [&](const Snapshot& seen, const std::vector<std::string>& set,
                           const PlanOptions& options) {
    const Spec spec = spec_of(chain, set);
    const Plan plan(spec, seen, options);
    return plan.find("a")->reasons;
  };
  EXPECT_EQ(reasons(snapshot(), {"x=5"}, {}), std::vector<std::string>{"params.x: 1 → 5"});
  EXPECT_EQ(reasons(snapshot("one", true), {}, {}), std::vector<std::string>{"in.txt is executable now"});
  EXPECT_EQ(reasons(snapshot("one", false, "renamed.txt"), {}, {}),
            std::vector<std::string>{"in.txt renamed to renamed.txt"});
  EXPECT_EQ(reasons(snapshot(), {}, {{"a"}, std::nullopt}), std::vector<std::string>{"forced"});
  for (const auto& [key, results] : results_.by_key) {
    results_.lost[key] = "the bytes of its result are gone from the store";
  }
  results_.by_key.clear();
  EXPECT_EQ(reasons(snapshot(), {}, {}),
            std::vector<std::string>{"the bytes of its result are gone from the store"});
  results_.lost.clear();
  EXPECT_EQ(reasons(snapshot(), {}, {}), std::vector<std::string>{"no result yet"});
  results_.last.clear();
  EXPECT_EQ(reasons(snapshot(), {}, {}), std::vector<std::string>{"no result yet"});
}

TEST_F(PlanTest, AFailedResultIsTriedAgain) {
  const Spec spec = spec_of(chain);
  const Snapshot seen = snapshot();
  Plan plan(spec, seen);
  const auto index = plan.take_ready();
  ASSERT_TRUE(index);
  results_.add(plan.steps()[*index], "", false);
  const Plan again(spec, seen);
  EXPECT_EQ(again.find("a")->state, State::run);
  EXPECT_EQ(again.find("a")->reasons, std::vector<std::string>{"exit status 1 the last time"});
}

TEST_F(PlanTest, AFailureBlocksWhatFollowsAndNothingElse) {
  const Spec spec = spec_of(chain);
  const Snapshot seen = snapshot();
  Plan plan(spec, seen);
  std::vector<std::string> ran;
  while (const auto index = plan.take_ready()) {
    ran.push_back(plan.steps()[*index].step->name);
    plan.finish(*index, results_.add(plan.steps()[*index], "x", ran.back() != "a"));
  }
  EXPECT_EQ(ran, (std::vector<std::string>{"a", "d"}));
  EXPECT_EQ(plan.find("b")->state, State::blocked);
  EXPECT_EQ(plan.find("c")->state, State::blocked);
  EXPECT_EQ(plan.find("c")->reasons, std::vector<std::string>{"b did not succeed"});
}

TEST_F(PlanTest, UntilAndForceChooseSteps) {
  EXPECT_EQ(run(chain, snapshot(), {{}, "b"}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(run(chain, snapshot(), {{"b"}, std::nullopt}), (std::vector<std::string>{"b", "c", "d"}));
  // Forced b writes the same bytes, so c is as it was.
  EXPECT_EQ(run(chain, snapshot(), {{"b"}, std::nullopt}), std::vector<std::string>{"b"});
  EXPECT_THROW(run(chain, snapshot(), {{"bb"}, std::nullopt}), UsageError);
}

TEST_F(PlanTest, IsTheSameForAnyOrderOfDeclaration) {
  const std::string reversed = R"(name: p
steps:
  d: { outs: [d], run: "echo d > d" }
  a: { deps: [in.txt], outs: [a], run: "echo ${{ params.x }} > a" }
  b: { outs: [b], run: "cat ${{ steps.a.outs.a }} > b" }
  c: { outs: [c], run: "cat ${{ steps.b.outs.b }} > c" }   # a comment
params: { unused: 3, x: 1 }
)";
  const Spec one = spec_of(chain);
  const Spec other = spec_of(reversed);
  const Snapshot seen = snapshot();
  const Plan plan_of_one(one, seen);
  const Plan plan_of_other(other, seen);
  for (const char* step : {"a", "b", "c", "d"}) {
    EXPECT_EQ(plan_of_one.find(step)->derivation, plan_of_other.find(step)->derivation) << step;
  }
}

TEST_F(PlanTest, WhatDoesNotCountDoesNotChangeTheKey) {
  const Snapshot seen = snapshot();
  const auto key = [&](const std::string& text) {
    const Spec spec = spec_of("name: p\nparams: { x: 1 }\nsteps:\n  a: " + text + "\n");
    const Plan plan(spec, seen);
    return plan.find("a")->action_key;
  };
  const Digest plain = key("{ run: echo hi, outs: [o] }");
  EXPECT_EQ(plain, key("{ outs: [o], run: 'echo hi', timeout: 5s }"));
  EXPECT_NE(plain, key("{ run: echo ho, outs: [o] }"));
  EXPECT_NE(plain, key("{ run: [echo, hi], outs: [o] }"));
  EXPECT_NE(plain, key("{ run: echo hi, outs: [p] }"));
  EXPECT_NE(plain, key("{ run: echo hi, outs: [o], env: { A: 1 } }"));
  EXPECT_NE(plain, key("{ run: echo hi, outs: [o], deps: [in.txt] }"));
}

}  // namespace
}  // namespace mlpipe
