// Which results stand for a step that yields another one each time.
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

// `train` writes the number of its run and the accuracy that the test says.
constexpr const char* pipeline = R"yaml(name: chance
steps:
  data: { run: "echo data >> @SIDE@/runs; echo d > d", outs: [d] }
  train:
    run: |
      echo train >> @SIDE@/runs
      cat ${{ steps.data.outs.d }} > model
      grep -c train @SIDE@/runs >> model
      cp @SIDE@/metrics.json metrics.json
    outs: [model]
    metrics: [metrics.json]
    select: latest
  check:
    run: |
      echo check >> @SIDE@/runs
      if [ -d ${{ steps.train.outs.model }} ]; then
        for one in ${{ steps.train.outs.model }}/*; do echo "$(basename $one) $(tail -1 $one)"; done > seen
      else
        tail -1 ${{ steps.train.outs.model }} > seen
      fi
      cp seen @SIDE@/seen
    outs: [seen]
)yaml";

class Selectors : public testing::Test {
 protected:
  Selectors() {
    project_.pipeline(pipeline);
    accuracy("0.5");
  }

  void accuracy(const std::string& value) const {
    write_file_atomically(project_.side("metrics.json"), "{\"accuracy\": " + value + "}");
  }
  void select(const std::string& selector) {
    project_.replace("pipeline.yaml", "select: " + selector_, "select: " + selector);
    selector_ = selector;
  }
  Json run(const Arguments& more = {}, int status = 0) const {
    Arguments arguments = {"run", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Captured captured = project_.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, status));
    return Json::parse(captured.output);
  }
  // The id of the result that stands for the training.
  std::string id() const { return step_of(project_.json({"plan", "--json"}), "train").at("results").at(0); }
  std::string seen() const { return read_file(project_.side("seen")); }

  Project project_;
  std::string selector_ = "latest";
};

TEST_F(Selectors, AWorseForcedTrainingKeepsTheOldOneAndSaysSo) {
  select("best(accuracy)");
  accuracy("0.981");
  run();
  const std::string old = id().substr(0, 12);
  accuracy("0.962");
  const Captured worse = project_.mlpipe({"run", "--force", "train"});
  EXPECT_TRUE(exits(worse, 0));
  EXPECT_TRUE(has(worse.error, "kept result " + old + " with accuracy 0.981: the new one has 0.962"));
  EXPECT_EQ(project_.runs("train"), 2U);
  EXPECT_EQ(project_.runs("check"), 1U);
  EXPECT_EQ(seen(), "1\n");
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed"));

  accuracy("0.99");
  const Json better = run({"--force", "train"});
  EXPECT_FALSE(step_of(better, "train").contains("kept"));
  EXPECT_EQ(state_of(better, "check"), "succeeded");
  EXPECT_EQ(seen(), "3\n");
}

TEST_F(Selectors, ForcingTheMiddleRunsItAndWhatFollowsOnceEach) {
  run();
  run({"--force", "train"});
  EXPECT_EQ(project_.lines("runs"), (std::vector<std::string>{"data", "train", "check", "train", "check"}));
  EXPECT_EQ(seen(), "2\n");
}

TEST_F(Selectors, SomeRunsUntilThereAreEnoughAndGivesAFolder) {
  select("some(3)");
  const Captured three = project_.mlpipe({"run"});
  EXPECT_TRUE(exits(three, 0));
  EXPECT_TRUE(has(three.error, "run: 1 of 3 results"));
  EXPECT_EQ(project_.lines("runs"), (std::vector<std::string>{"data", "train", "train", "train", "check"}));
  EXPECT_EQ(seen(), "1 1\n2 2\n3 3\n");
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed"));
  const Captured fourth = project_.mlpipe({"run", "--force", "train"});
  EXPECT_TRUE(has(fourth.error, "kept the results "));
  EXPECT_EQ(project_.runs("check"), 1U);

  const Json all = project_.json({"why", "train", "--json"});
  EXPECT_EQ(all.at("causes").at(0).at("results").size(), 3U);
  ASSERT_TRUE(exits(project_.mlpipe({"get", "train/model", "models"}), 0));
  EXPECT_EQ(read_file(project_.folder() / "models" / "2"), "d\n2\n");
}

TEST_F(Selectors, AllGrowsWithEveryResult) {
  select("all");
  run();
  EXPECT_EQ(seen(), "1 1\n");
  run({"--force", "train"});
  EXPECT_EQ(seen(), "1 1\n2 2\n");
  EXPECT_EQ(project_.runs("check"), 2U);
}

TEST_F(Selectors, OnlyIsBlockedBySeveralUntilOneIsChosen) {
  select("only");
  run();
  const std::string first = id();
  const Json blocked = run({"--force", "train"}, 1);
  EXPECT_EQ(state_of(blocked, "train"), "blocked");
  EXPECT_TRUE(has(reasons_of(blocked, "train"), first.substr(0, 12)));
  EXPECT_TRUE(has(reasons_of(blocked, "train"), "choose with `select: exact("));
  EXPECT_EQ(state_of(blocked, "check"), "blocked");
  const Captured again = project_.mlpipe({"run"});
  EXPECT_TRUE(exits(again, 1));
  EXPECT_TRUE(has(again.error, "it has several results ("));
  EXPECT_EQ(project_.runs("train"), 2U);

  select("exact(" + first.substr(0, 8) + ")");
  EXPECT_EQ(run().at("changed"), false);
  EXPECT_EQ(id(), first);
}

TEST_F(Selectors, ExactOfWhatIsNotThereIsBlockedAndSaysSo) {
  run();
  select("exact(00000000)");
  const Json plan = project_.json({"plan", "--json"});
  EXPECT_EQ(state_of(plan, "train"), "blocked");
  EXPECT_TRUE(has(reasons_of(plan, "train"), "there is no result 00000000"));
  EXPECT_EQ(reasons_of(plan, "check"), "train did not succeed");
  run({}, 1);
  EXPECT_EQ(project_.runs("train"), 1U);
}

TEST_F(Selectors, BestOfAMetricThatNoResultHasSaysWhichThereAre) {
  run();
  select("best(f1)");
  EXPECT_EQ(reasons_of(project_.json({"plan", "--json"}), "train"),
            "no result has the metric 'f1': they report accuracy");
  run({}, 1);
  EXPECT_EQ(project_.runs("train"), 1U);
}

TEST_F(Selectors, AnotherSelectorRunsNothingUpstream) {
  accuracy("0.9");
  run();
  accuracy("0.8");
  run({"--force", "train"});
  EXPECT_EQ(seen(), "2\n");
  select("best(accuracy)");
  const Json best = run();
  EXPECT_EQ(state_of(best, "check"), "cached") << "it has run with the first one before";
  EXPECT_EQ(project_.runs("train"), 2U);
  EXPECT_EQ(project_.runs("check"), 2U);
}

}  // namespace
}  // namespace mlpipe
