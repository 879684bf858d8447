// The commands that explain: what a run did, why, and what differs.
#include <csignal>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/text.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* pipeline = R"(name: told
params: { x: 1, unused: 2 }
steps:
  first:
    run: echo first >> @SIDE@/runs; cat in/* > all; echo ${{ params.x }} >> all; echo '{"lines":${{ params.x }}}' > m.json
    deps: [in]
    outs: [all]
    metrics: [m.json]
  second: { run: "echo second >> @SIDE@/runs; wc -l < ${{ steps.first.outs.all }} > count", outs: [count] }
  third: { run: "echo third >> @SIDE@/runs; cat ${{ steps.second.outs.count }}; cp ${{ steps.second.outs.count }} c", outs: [c] }
)";

class Told : public testing::Test {
 protected:
  Told() {
    project_.pipeline(pipeline);
    project_.write("in/a.csv", "1,2\n");
  }
  void run(const Arguments& more = {}, int status = 0) const {
    Arguments arguments = {"run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_TRUE(exits(project_.mlpipe(arguments), status));
  }
  std::string output(const Arguments& arguments) const {
    const Captured captured = project_.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 0));
    return captured.output;
  }
  Json why(const std::string& step, const Arguments& more = {}) const {
    Arguments arguments = {"why", step, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return project_.json(arguments).at("causes");
  }

  Project project_;
};

TEST_F(Told, ARunThatDidSomethingIsInTheHistoryAndOneThatDidNotIsNot) {
  EXPECT_EQ(project_.mlpipe({"runs"}).ending.exit_code, 2) << "there is no store yet";
  run();
  run();
  run({"--set", "unused=5"});
  EXPECT_EQ(project_.json({"runs", "--json"}).size(), 1U);
  run({"--set", "x=3"});
  const Json runs = project_.json({"runs", "--json"});
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].at("run"), 2) << "the newest first";
  EXPECT_EQ(runs[0].at("outcome"), "succeeded");
  EXPECT_EQ(runs[0].at("changed_params"), Json::parse(R"({"x": {"from": "1", "to": "3"}})"));
  EXPECT_EQ(runs[0].at("steps"), Json::parse(R"({"succeeded": 2, "cached": 1})"));
  EXPECT_EQ(project_.json({"runs", "--last", "1", "--json"}).size(), 1U);
  const std::string text = output({"runs"});
  EXPECT_TRUE(has(text, "1 cached; ran first, second"));
  EXPECT_TRUE(has(text, "x: 1 → 3"));
  EXPECT_TRUE(exits(project_.mlpipe({"runs", "--last", "0"}), 2));
}

TEST_F(Told, ShowSaysWhatEveryStepDid) {
  run();
  run({"--set", "x=3"});
  const Json shown = project_.json({"show", "last", "--json"});
  EXPECT_EQ(shown.at("run"), 2);
  EXPECT_EQ(shown.at("params").at("x"), "3");
  const Json first = step_of(shown, "first");
  EXPECT_EQ(first.at("outcome"), "succeeded");
  EXPECT_EQ(first.at("reasons"), Json::array({"params.x: 1 → 3"}));
  EXPECT_EQ(first.at("params"), Json::parse(R"({"x": "3"})"));
  EXPECT_EQ(first.at("ran").at("metrics").at("lines"), 3);
  EXPECT_EQ(first.at("ran").at("id"), first.at("results").at(0).at("id"));
  const Json third = step_of(shown, "third");
  EXPECT_EQ(third.at("outcome"), "cached");
  EXPECT_FALSE(third.contains("ran"));
  EXPECT_EQ(third.at("results").size(), 1U);
  EXPECT_EQ(third.at("results").at(0).at("id"),
            step_of(project_.json({"show", "1", "--json"}), "third").at("ran").at("id"));

  const std::string text = output({"show", "2"});
  EXPECT_TRUE(has(text, "run 2 of told  succeeded"));
  EXPECT_TRUE(has(text, "param    x = 3  (before: 1)"));
  EXPECT_TRUE(has(text, "result " + first.at("ran").at("id").get<std::string>().substr(0, 12)));
  EXPECT_TRUE(has(text, "params.x: 1 → 3"));
  const Captured none = project_.mlpipe({"show", "7"});
  EXPECT_TRUE(exits(none, 2));
  EXPECT_TRUE(has(none.error, "the last one is 2"));
}

TEST_F(Told, ShowSaysHowAStepFailed) {
  project_.replace("pipeline.yaml", "wc -l <", "false;");
  run({}, 1);
  const Json shown = project_.json({"show", "last", "--json"});
  EXPECT_EQ(shown.at("outcome"), "failed");
  EXPECT_EQ(step_of(shown, "second").at("outcome"), "failed");
  EXPECT_EQ(step_of(shown, "second").at("ran").at("failure"), "exit status 1");
  EXPECT_EQ(step_of(shown, "third").at("outcome"), "blocked");
  EXPECT_EQ(step_of(shown, "third").at("reasons"), Json::array({"second did not succeed"}));
  EXPECT_TRUE(has(output({"show", "last"}), "exit status 1"));
}

TEST_F(Told, ShowKnowsTheRevision) {
  for (const Arguments& arguments :
       {Arguments{"init", "-q"}, Arguments{"add", "."},
        Arguments{"-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "one"}}) {
    Command git;
    git.arguments = {"git"};
    git.arguments.insert(git.arguments.end(), arguments.begin(), arguments.end());
    git.work_directory = project_.folder();
    ASSERT_TRUE(exits(run_and_capture(git), 0));
  }
  run();
  const std::string revision = project_.json({"show", "last", "--json"}).at("git");
  EXPECT_EQ(revision.size(), 40U) << revision;
  project_.write("in/a.csv", "3,4\n");
  run();
  EXPECT_EQ(project_.json({"show", "last", "--json"}).at("git"), revision + " with local changes");
}

TEST_F(Told, DiffSaysWhatDiffersAndNothingElse) {
  run();
  run({"--set", "x=3"});
  const Json diff = project_.json({"diff", "1", "2", "--json"});
  EXPECT_EQ(diff.at("params"), Json::parse(R"({"x": {"from": "1", "to": "3"}})"));
  ASSERT_EQ(diff.at("steps").size(), 2U) << diff.dump(2);
  const Json first = step_of(diff, "first");
  EXPECT_EQ(first.at("params"), Json::parse(R"({"x": {"from": "1", "to": "3"}})"));
  EXPECT_EQ(first.at("metrics"), Json::parse(R"({"lines": {"from": "1", "to": "3"}})"));
  EXPECT_TRUE(first.at("outputs").contains("all"));
  EXPECT_EQ(first.at("recipe").size(), 1U);
  const Json second = step_of(diff, "second");
  EXPECT_EQ(second.at("recipe"), Json::array({"input first/all changed"}));
  EXPECT_TRUE(second.at("outputs").empty()) << "it wrote the same bytes";
  const std::string text = output({"diff", "1", "last"});
  EXPECT_TRUE(has(text, "params.x: 1 → 3"));
  EXPECT_TRUE(has(text, "metric lines: 1 → 3"));
  EXPECT_TRUE(has_not(text, "third"));
  EXPECT_TRUE(has(output({"diff", "2", "2"}), "nothing differs that counts"));
}

TEST_F(Told, WhyGoesUpstreamToWhatReallyChanged) {
  run();
  project_.write("in/a.csv", "1,2\n3,4\n");
  const Json before = why("third");
  ASSERT_EQ(before.size(), 3U);
  EXPECT_EQ(before[0].at("state"), "undecided");
  EXPECT_EQ(before[0].at("caused_by"), Json::array({"second"}));
  EXPECT_EQ(before[2].at("step"), "first");
  EXPECT_EQ(before[2].at("reasons"), Json::array({"in/a.csv changed"}));
  EXPECT_EQ(
      output({"why", "third"}),
      "third  undecided: after second\n  second  undecided: after first\n    first  run: in/a.csv changed\n");

  // Afterwards it says where what stands for it comes from.
  run();
  const Json after = why("third");
  ASSERT_EQ(after.size(), 3U);
  EXPECT_EQ(after[0].at("state"), "cached");
  EXPECT_EQ(after[0].at("results").at(0).at("run"), 2);
  EXPECT_EQ(after[0].at("results").at(0).at("reasons"), Json::array({"input second/count changed"}));
  EXPECT_EQ(after[2].at("results").at(0).at("reasons"), Json::array({"in/a.csv changed"}));
  const std::string text = output({"why", "third"});
  EXPECT_TRUE(has(text, " by run 2: input second/count changed\n  chosen by latest\n"));
}

TEST_F(Told, WhyOfAStepThatAnEarlierRunComputedNamesThatRun) {
  run();
  run({"--set", "x=5"});
  const Json causes = why("third", {"--set", "x=5"});
  EXPECT_EQ(causes.at(0).at("results").at(0).at("run"), 1);
  ASSERT_EQ(causes.size(), 1U) << "nothing before it was computed by the same run";
}

TEST_F(Told, WhyShowsTheKeysText) {
  const Captured unknown = project_.mlpipe({"why", "second", "--key"});
  EXPECT_TRUE(exits(unknown, 1));
  EXPECT_TRUE(has(unknown.error, "the key of second is not known yet: after first"));
  const Json first = project_.json({"why", "first", "--key", "--json"});
  EXPECT_EQ(digest_of(first.at("text").get<std::string>()).hex(), first.at("action_key"));
  EXPECT_TRUE(has(first.at("text"), "in/a.csv"));
  run();
  EXPECT_EQ(project_.json({"why", "first", "--key", "--json"}), first);
  EXPECT_TRUE(
      has(output({"why", "first", "--key"}), "key " + first.at("action_key").get<std::string>() + "\n"));
  const Captured wrong = project_.mlpipe({"why", "frist"});
  EXPECT_TRUE(exits(wrong, 2));
  EXPECT_TRUE(has(wrong.error, "did you mean 'first'?"));
}

TEST_F(Told, WhyAndGraphWriteNothing) {
  output({"why", "third"});
  output({"graph"});
  EXPECT_FALSE(fs::exists(project_.store()));
}

TEST_F(Told, TheGraphIsDrawnWithItsStates) {
  run({"--until", "first"});
  const std::string mermaid = output({"graph"});
  EXPECT_TRUE(mermaid.starts_with("flowchart LR\n"));
  EXPECT_TRUE(has(mermaid, "n0[\"first\"]:::cached"));
  EXPECT_TRUE(has(mermaid, "n1[\"second\"]:::run"));
  EXPECT_TRUE(has(mermaid, "n2[\"third\"]:::undecided"));
  EXPECT_TRUE(has(mermaid, "n0 --> n1"));
  EXPECT_EQ(output({"graph", "--mermaid"}), mermaid);
  const std::string dot = output({"graph", "--dot"});
  EXPECT_TRUE(dot.starts_with("digraph \"told\" {\n"));
  EXPECT_TRUE(has(dot, "n0 [label=\"first\", class=\"cached\""));
  EXPECT_TRUE(has(dot, "n1 -> n2;"));
  EXPECT_EQ(project_.json({"graph", "--json"}).at("edges").size(), 2U);
  EXPECT_TRUE(exits(project_.mlpipe({"graph", "--dot", "--mermaid"}), 2));
}

TEST_F(Told, GetCopiesAnOutput) {
  const Captured early = project_.mlpipe({"get", "first/all", "copy"});
  EXPECT_TRUE(exits(early, 1));
  EXPECT_TRUE(has(early.error, "first has no result now: no result yet"));
  run();
  const std::string to = (project_.elsewhere() / "copy").string();
  EXPECT_TRUE(exits(project_.mlpipe({"get", "first/all", to}), 0));
  EXPECT_EQ(read_file(to), "1,2\n1\n");
  write_file_atomically(to, "it can be changed");
  EXPECT_TRUE(exits(project_.mlpipe({"get", "first/all", to}), 2)) << "what is there is left alone";
  EXPECT_EQ(read_file(to), "it can be changed");
  const Json into = project_.json({"get", "second/count", project_.elsewhere().string(), "--json"});
  EXPECT_EQ(into.at("path"), (project_.elsewhere() / "count").string());
  EXPECT_EQ(read_file(project_.elsewhere() / "count"), "2\n");
  const Captured wrong = project_.mlpipe({"get", "first/al", "x"});
  EXPECT_TRUE(exits(wrong, 2));
  EXPECT_TRUE(has(wrong.error, "did you mean 'first/all'?"));
}

TEST_F(Told, ARunThatWasKilledIsUnfinishedAndTheNextOneHasItsResult) {
  project_.pipeline(
      "name: cut\nsteps:\n  one: { run: 'touch @SIDE@/began; while ! [ -e @SIDE@/go ]; do sleep 0.01; "
      "done; touch o', outs: [o] }\n");
  {
    Background killed = project_.start({"run"});
    project_.wait_for_side("began");
    killed.signal(SIGKILL);
    EXPECT_FALSE(killed.wait().ending.succeeded());
  }
  EXPECT_EQ(project_.json({"runs", "--json"}).at(0).at("outcome"), "unfinished");
  EXPECT_TRUE(has(output({"show", "last"}), "unfinished: it runs now, or was killed"));
  project_.touch_side("go");
  run();
  EXPECT_EQ(project_.json({"show", "last", "--json"}).at("outcome"), "succeeded");
  EXPECT_EQ(why("one").at(0).at("results").at(0).at("run"), 2);
}

TEST_F(Told, LogsOfAnEarlierRun) {
  run();
  project_.write("in/b.csv", "5,6\n7,8\n");
  run();
  EXPECT_EQ(output({"logs", "third", "--run", "1"}), "2\n");
  EXPECT_EQ(output({"logs", "third", "--run", "last"}), "4\n");
  EXPECT_TRUE(exits(project_.mlpipe({"logs", "fourth", "--run", "1"}), 2));
}

TEST_F(Told, CancelEndsWhatRunsInAnotherTerminal) {
  project_.pipeline(R"(name: long
steps:
  one: { run: "touch @SIDE@/one; exec sleep 1000" }
  two: { run: "touch @SIDE@/two; exec sleep 1000" }
)");
  EXPECT_TRUE(exits(project_.mlpipe({"cancel"}), 2)) << "there is no store yet";
  Background running = project_.start({"run", "-j2"});
  project_.wait_for_side("one");
  project_.wait_for_side("two");
  const Captured unknown = project_.mlpipe({"cancel", "three"});
  EXPECT_TRUE(exits(unknown, 2));
  EXPECT_TRUE(has(unknown.error, "what runs: one, two"));
  EXPECT_EQ(project_.mlpipe({"cancel", "one"}).error, "one is asked to end\n");
  wait_until("one has ended", [&] { return running.error().find("✗ one") != std::string::npos; });
  EXPECT_TRUE(has_not(running.error(), "✗ two"));
  EXPECT_EQ(project_.json({"cancel", "--json"}), Json::parse(R"([{"step": "two", "asked": true}])"));
  EXPECT_TRUE(exits(running.wait(), 1));
  EXPECT_EQ(project_.mlpipe({"cancel"}).error, "nothing runs now\n");
}

TEST_F(Told, ACopyOfTheProjectKeepsEveryHit) {
  run();
  project_.wait_for_removals();
  const fs::path copy = project_.elsewhere() / "copy";
  fs::copy(project_.folder(), copy, fs::copy_options::recursive);
  const Captured there = project_.mlpipe_in(copy, {"run"});
  EXPECT_TRUE(exits(there, 0));
  EXPECT_TRUE(has(there.error, "nothing changed: 3 steps cached, 0 jobs run"));
}

}  // namespace
}  // namespace mlpipe
