// What `mlpipe run` and `mlpipe plan` do, and what they leave alone.
#include <algorithm>

#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// left → right → joined, and left → joined; each has a param of its own.
constexpr const char* three_steps = R"(name: three
params: { x: 1, y: 2, unused: 3 }
steps:
  left:
    run: echo left >> @SIDE@/runs; echo ${{ params.x }} > left.txt
    outs: [left.txt]
  right:
    run: echo right >> @SIDE@/runs; echo ${{ params.y }} > right.txt
    outs: [right.txt]
  joined:
    run: |
      echo joined >> @SIDE@/runs
      cat ${{ steps.left.outs['left.txt'] }} ${{ steps.right.outs['right.txt'] }} > joined.txt
      cp joined.txt @SIDE@/result
    outs: [joined.txt]
)";

TEST(Run, FirstRunsEveryStepThenNone) {
  Project project;
  project.pipeline(three_steps);
  const Captured first = project.mlpipe({"run"});
  EXPECT_TRUE(exits(first, 0));
  EXPECT_EQ(first.output, "");
  EXPECT_EQ(read_file(project.side("result")), "1\n2\n");
  EXPECT_EQ(project.lines("runs").size(), 3U);
  EXPECT_EQ(project.lines("runs").back(), "joined");
  for (const char* step : {"left", "right", "joined"}) {
    EXPECT_TRUE(has(first.error, std::string("✓ ") + step));
  }

  const Captured second = project.mlpipe({"run"});
  EXPECT_TRUE(exits(second, 0));
  EXPECT_EQ(second.error, "nothing changed: 3 steps cached, 0 jobs run\n");
  const Json report = project.json({"run", "--json"});
  EXPECT_EQ(report.at("changed"), false);
  EXPECT_EQ(report.at("outcome"), "succeeded");
  for (const char* step : {"left", "right", "joined"}) {
    EXPECT_EQ(state_of(report, step), "cached");
  }
  EXPECT_EQ(project.lines("runs").size(), 3U);
}

TEST(Run, ASecondRunTouchesNoServer) {
  ServingProject project;
  project.run("red");
  const Json state = admin_state(project);
  const Json status = status_of(project);
  const std::vector<pid_t> servers = servers_of(project);
  ASSERT_EQ(servers.size(), 1U);

  const Captured second = project.run("red");
  EXPECT_TRUE(has(second.error, "nothing changed: 1 step cached, 0 jobs run\n"));
  EXPECT_TRUE(has(second.error, status.at("address")));
  EXPECT_EQ(project.runs("make"), 1U);
  EXPECT_EQ(servers_of(project), servers);
  EXPECT_EQ(admin_state(project), state);
  EXPECT_EQ(status_of(project), status);
}

TEST(Run, SetRunsWhatUsesTheParamAndPlanSaysSoBefore) {
  Project project;
  project.pipeline(three_steps);
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  const std::vector<std::string> before = project.lines("runs");

  const Json plan = project.json({"plan", "--set", "y=5", "--json"});
  EXPECT_EQ(state_of(plan, "left"), "cached");
  EXPECT_EQ(state_of(plan, "right"), "run");
  EXPECT_EQ(reasons_of(plan, "right"), "params.y: 2 → 5");
  EXPECT_EQ(state_of(plan, "joined"), "undecided");
  EXPECT_EQ(reasons_of(plan, "joined"), "after right");
  const Captured shown = project.mlpipe({"plan", "--set", "y=5"});
  EXPECT_TRUE(exits(shown, 0));
  EXPECT_TRUE(has(shown.output, "params.y: 2 → 5"));
  EXPECT_EQ(project.mlpipe({"run", "--dry-run", "--set", "y=5"}).output, shown.output);
  EXPECT_EQ(project.lines("runs"), before) << "plan has run something";

  const Captured run = project.mlpipe({"run", "--set", "y=5"});
  EXPECT_TRUE(exits(run, 0));
  EXPECT_TRUE(has(run.error, shown.output)) << "run says beforehand what plan says";
  EXPECT_EQ(project.runs("left"), 1U);
  EXPECT_EQ(project.runs("right"), 2U);
  EXPECT_EQ(project.runs("joined"), 2U);
  EXPECT_EQ(read_file(project.side("result")), "1\n5\n");

  const Json report = project.json({"run", "--set", "y=6", "--json"});
  EXPECT_EQ(state_of(report, "left"), "cached");
  EXPECT_EQ(state_of(report, "right"), "succeeded");
  EXPECT_EQ(reasons_of(report, "right"), "params.y: 5 → 6");
  EXPECT_EQ(state_of(report, "joined"), "succeeded");
}

TEST(Run, PlanWritesNothing) {
  Project project;
  project.pipeline(three_steps);
  const Json plan = project.json({"plan", "--json"});
  EXPECT_EQ(state_of(plan, "left"), "run");
  EXPECT_EQ(reasons_of(plan, "left"), "no result yet");
  EXPECT_EQ(project.listing(), std::vector<std::string>{"pipeline.yaml"});
  EXPECT_FALSE(fs::exists(project.store()));
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  const Captured shown = project.mlpipe({"plan"});
  EXPECT_TRUE(has(shown.output, "nothing changed: a run would do nothing"));
}

TEST(Run, ParamsThatGoBackMoveTheAliasBackWithoutANewVersion) {
  ServingProject project;
  project.run("red");
  project.run("green");
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "green");

  const Json plan = project.json({"plan", "--set", "color=red", "--json"});
  EXPECT_EQ(plan.at("effects").at("publish").at("action"), "move");
  EXPECT_EQ(plan.at("effects").at("publish").at("version"), 1);
  EXPECT_EQ(plan.at("effects").at("rollout").at("action"), "update");

  const Captured back = project.run("red");
  EXPECT_TRUE(has(back.error, "back to tiny:1"));
  EXPECT_EQ(project.runs("make"), 2U);
  const Json releases = project.json({"models", "ls", "--json"});
  ASSERT_EQ(releases.size(), 2U);
  EXPECT_EQ(entry_of(releases, "version", 1).at("aliases"), Json::array({"prod"}));
  EXPECT_EQ(entry_of(releases, "version", 2).at("aliases"), Json::array());
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "red");
  EXPECT_EQ(status_of(project).at("version"), 1);
}

TEST(Run, EqualBytesUpstreamMeanNoWorkDownstream) {
  Project project;
  project.write("words.txt", "# a comment\none\n");
  project.pipeline(R"(name: cutoff
steps:
  clean:
    run: echo clean >> @SIDE@/runs; grep -v '^#' words.txt > words
    deps: [words.txt]
    outs: [words]
  count:
    run: echo count >> @SIDE@/runs; wc -l < ${{ steps.clean.outs.words }} > count
    outs: [count]
  report:
    run: echo report >> @SIDE@/runs; cat ${{ steps.count.outs.count }} > report
    outs: [report]
)");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  project.write("words.txt", "# another comment\none\n");
  const Captured cut_off = project.mlpipe({"run", "--json"});
  EXPECT_TRUE(exits(cut_off, 0));
  const Json report = Json::parse(cut_off.output);
  EXPECT_EQ(state_of(report, "clean"), "succeeded");
  EXPECT_EQ(state_of(report, "count"), "cached");
  EXPECT_EQ(state_of(report, "report"), "cached");
  EXPECT_TRUE(has(cut_off.error, "count  cached: the steps before it yielded what they did before"));

  // Other words, but as many: the work stops one step later.
  project.write("words.txt", "two\n");
  const Json later = project.json({"run", "--json"});
  EXPECT_EQ(state_of(later, "count"), "succeeded");
  EXPECT_EQ(state_of(later, "report"), "cached");
  EXPECT_EQ(project.runs("clean"), 3U);
  EXPECT_EQ(project.runs("count"), 2U);
  EXPECT_EQ(project.runs("report"), 1U);
}

TEST(Run, StepsThatDoNotNeedEachOtherRunAtOnce) {
  Project project;
  project.pipeline(R"(name: meeting
steps:
  one:
    run: touch @SIDE@/one; while [ ! -e @SIDE@/two ]; do sleep 0.02; done; echo 1 > one
    outs: [one]
    timeout: 1m
  two:
    run: touch @SIDE@/two; while [ ! -e @SIDE@/one ]; do sleep 0.02; done; echo 2 > two
    outs: [two]
    timeout: 1m
)");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--jobs", "2"}), 0));
}

TEST(Run, OneJobAtATimeWhenAskedFor) {
  Project project;
  std::string steps = "name: queue\nsteps:\n";
  for (const char* step : {"a", "b", "c", "d"}) {
    steps += std::string("  ") + step + ":\n    run: echo begin >> @SIDE@/order; sleep 0.05; echo end >> " +
             "@SIDE@/order && true " + step + "\n";
  }
  project.pipeline(steps);
  EXPECT_TRUE(exits(project.mlpipe({"run", "--jobs", "1"}), 0));
  const std::vector<std::string> expected = {"begin", "end", "begin", "end", "begin", "end", "begin", "end"};
  EXPECT_EQ(project.lines("order"), expected);
}

TEST(Run, StepsThatComputeTheSameRunOnce) {
  Project project;
  project.pipeline(R"(name: same
steps:
  one: { run: "echo run >> @SIDE@/runs; echo 1 > out", outs: [out] }
  two: { run: "echo run >> @SIDE@/runs; echo 1 > out", outs: [out] }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--jobs", "2"}), 0));
  EXPECT_EQ(project.runs("run"), 1U);
}

TEST(Run, NeedsGivesTheOrder) {
  Project project;
  project.pipeline(R"(name: order
steps:
  last: { run: "echo last >> @SIDE@/runs", needs: [second, first] }
  second: { run: "echo second >> @SIDE@/runs", needs: first }
  first: { run: "sleep 0.1; echo first >> @SIDE@/runs" }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--jobs", "3"}), 0));
  EXPECT_EQ(project.lines("runs"), (std::vector<std::string>{"first", "second", "last"}));
}

TEST(Run, UntilRunsAStepAndWhatItNeeds) {
  ServingProject project;
  project.replace("pipeline.yaml", "model:\n", R"(  before:
    run: echo before >> @SIDE@/runs; echo 1 > before
    outs: [before]
  after:
    run: echo after >> @SIDE@/runs; cat ${{ steps.before.outs.before }}
model:
)");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--until", "before"}), 0));
  EXPECT_EQ(project.lines("runs"), std::vector<std::string>{"before"});
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U);
  EXPECT_TRUE(exits(project.mlpipe({"run", "--until", "make"}), 0));
  EXPECT_EQ(project.runs("make"), 1U);
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U) << "the steps after it could hold it back";
  EXPECT_TRUE(servers_of(project).empty());
  const Json plan = project.json({"plan", "--until", "make", "--json"});
  EXPECT_EQ(plan.at("effects").at("publish").at("action"), "none");
  EXPECT_EQ(plan.at("effects").at("publish").at("reason"), "the run ends with make");
  EXPECT_EQ(plan.at("steps").size(), 1U);

  const Captured unknown = project.mlpipe({"run", "--until", "befor"});
  EXPECT_TRUE(exits(unknown, 2));
  EXPECT_TRUE(has(unknown.error, "did you mean 'before'?"));
}

TEST(Run, ForceRunsAStepAlthoughItsResultIsThere) {
  Project project;
  project.pipeline(three_steps);
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  const Json report = project.json({"run", "--force", "left", "--json"});
  EXPECT_EQ(reasons_of(report, "left"), "forced");
  EXPECT_EQ(state_of(report, "right"), "cached");
  EXPECT_EQ(state_of(report, "joined"), "cached") << "the forced step yielded the same bytes";
  EXPECT_EQ(project.runs("left"), 2U);
  EXPECT_EQ(project.runs("joined"), 1U);

  const Captured unknown = project.mlpipe({"run", "--force", "lfet"});
  EXPECT_TRUE(exits(unknown, 2));
  EXPECT_TRUE(has(unknown.error, "did you mean 'left'?"));
  EXPECT_EQ(project.runs("left"), 2U);
}

TEST(Run, MetricsAreTheNumbersOfJsonFiles) {
  Project project;
  project.pipeline(R"(name: measured
steps:
  measure:
    run: |
      mkdir out
      echo '{"accuracy": 0.75, "by": {"class": {"red": 1e-3}}, "name": "x", "list": [1]}' > out/a.json
      echo '{"loss": 2}' > b.json
    outs: [out]
    metrics: [out/a.json, b.json]
)");
  const Json report = project.json({"run", "--json"});
  EXPECT_EQ(step_of(report, "measure").at("metrics"),
            (Json{{"accuracy", 0.75}, {"by.class.red", 0.001}, {"loss", 2.0}}));
  EXPECT_EQ(step_of(report, "measure").at("outputs").size(), 2U);
}

TEST(Run, AStoreMayLieElsewhere) {
  Project project;
  project.environment["MLPIPE_STORE"] = (project.elsewhere() / "store").string();
  project.pipeline(three_steps);
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_FALSE(fs::exists(project.folder() / ".mlpipe"));
  EXPECT_TRUE(has(project.mlpipe_in(project.elsewhere(), {"run", project.folder().string()}).error,
                  "nothing changed"));
  EXPECT_EQ(project.lines("runs").size(), 3U);
}

TEST(Run, WrongRequestsAreRefusedBeforeAnythingRuns) {
  Project project;
  project.pipeline(three_steps);
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"run", "--set", "z=1"}, "the pipeline has no param 'z'"},
      {{"run", "--set", "unusd=1"}, "did you mean 'unused'?"},
      {{"run", "--set", "x"}, "expected NAME=VALUE"},
      {{"run", "--set", "x=many"}, "'x' is a number in the file (1), and 'many' is none"},
      {{"run", "--until", "lfet"}, "did you mean 'left'?"},
      {{"run", "--force", "lfet"}, "did you mean 'left'?"},
      {{"run", "--jobs", "0"}, "expected a whole number from 1"},
      {{"run", "--jobs", "two"}, "expected a whole number from 1"},
      {{"run", "--forse", "left"}, "--forse"},
      {{"rnu"}, "did you mean 'run'?"},
      {{"models", "lst"}, "did you mean 'ls'?"},
      {{}, "mlpipe --help"},
  };
  for (const auto& [arguments, message] : cases) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, message));
    EXPECT_EQ(captured.output, "");
  }
  EXPECT_EQ(project.lines("runs").size(), 0U);
  EXPECT_FALSE(fs::exists(project.store()));
}

}  // namespace
}  // namespace mlpipe
