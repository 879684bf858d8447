// mlpipe that is killed, interrupted, or runs twice at once.
#include <csignal>

#include "tests/functional/serving.hpp"
#include "tests/functional/store_check.hpp"

namespace mlpipe {
namespace {

// A step that waits for @SIDE@/go, and one after it.
constexpr const char* waiting_pipeline = R"(name: waiting
steps:
  slow:
    run: |
      echo slow >> @SIDE@/runs
      echo $$ > @SIDE@/slow.pid
      touch @SIDE@/begun
      while [ ! -e @SIDE@/go ]; do sleep 0.02; done
      echo result > out
    outs: [out]
  after:
    run: echo after >> @SIDE@/runs; cp ${{ steps.slow.outs.out }} copy
    outs: [copy]
)";

pid_t job_of(const Project& project) {
  return std::stoi(project.lines("slow.pid").at(0));
}

TEST(Interrupted, AKilledRunIsTakenUpByTheNext) {
  Project project;
  project.pipeline(waiting_pipeline);
  Background first = project.start({"run"});
  project.wait_for_side("begun");
  first.signal(SIGKILL);
  EXPECT_EQ(first.wait().ending.signal, SIGKILL);
  EXPECT_TRUE(process_runs(job_of(project))) << "the job goes on";

  Background second = project.start({"run", "--json"});
  wait_until("it waits for the job", [&] {
    return second.error().find("slow runs already, started by another mlpipe") != std::string::npos;
  });
  project.touch_side("go");
  const Captured captured = second.wait();
  EXPECT_TRUE(exits(captured, 0));
  const Json report = Json::parse(captured.output);
  EXPECT_EQ(state_of(report, "slow"), "succeeded");
  EXPECT_EQ(state_of(report, "after"), "succeeded");
  EXPECT_EQ(project.runs("slow"), 1U);
  EXPECT_EQ(project.runs("after"), 1U);
}

// Kills mlpipe once it has shown this of the training.
std::string killed_after(Background run, const std::string& shown) {
  wait_until("it shows " + shown, [&] { return run.error().find(shown) != std::string::npos; });
  run.signal(SIGKILL);
  return run.wait().error;
}

TEST(Interrupted, ATrainingGoesOnWithoutMlpipeAndIsNotDoneTwice) {
  Project project;
  const std::filesystem::path digits = std::filesystem::path(MLPIPE_EXAMPLES) / "digits";
  project.write("data/digits.csv", read_file(digits / "data" / "digits.csv"));
  const std::string text = read_file(digits / "pipeline.yaml");
  project.pipeline(text.substr(0, text.find("\n  check:")) + "\n");
  const std::vector<std::string> run = {"run", "--json", "--set", "epochs=12"};

  killed_after(project.start(run), "train | epoch 1/12");
  const auto job = std::filesystem::directory_iterator(project.store() / "jobs")->path();
  const Json started = Json::parse(read_file(job / "job.json"));
  EXPECT_TRUE(has(started.at("arguments").dump(), "mlpipe-train"));
  const std::string second = killed_after(project.start(run), "train | epoch 3/12");
  EXPECT_TRUE(has(second, "train runs already, started by another mlpipe: waiting for it"));
  EXPECT_TRUE(has(second, "train | epoch 1/12")) << "all of its progress is shown";

  const Captured third = project.mlpipe(run);
  EXPECT_TRUE(exits(third, 0));
  EXPECT_TRUE(has(third.error, "✓ train"));
  EXPECT_EQ(state_of(Json::parse(third.output), "train"), "succeeded");
  EXPECT_EQ(results_of(project, "train"), 1U);
  const std::string all = third.error;
  EXPECT_EQ(all.find("epoch 1/12"), all.rfind("epoch 1/12")) << "it has trained once\n" << all;
  EXPECT_TRUE(has(project.mlpipe(run).error, "nothing changed"));
}

TEST(Interrupted, ACancelledJobHasNoResult) {
  Project project;
  project.pipeline(waiting_pipeline);
  Background first = project.start({"run"});
  project.wait_for_side("begun");
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  EXPECT_EQ(results_of(project, "slow"), 0U);
  EXPECT_TRUE(std::filesystem::is_empty(project.store() / "jobs"));
  EXPECT_TRUE(std::filesystem::is_empty(project.store() / "locks"));
  project.touch_side("go");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(results_of(project, "slow"), 1U);
}

TEST(Interrupted, AJobThatEndedMeanwhileIsNotRunAgain) {
  Project project;
  project.pipeline(waiting_pipeline);
  Background first = project.start({"run"});
  project.wait_for_side("begun");
  first.signal(SIGKILL);
  first.wait();
  const pid_t job = job_of(project);
  project.touch_side("go");
  wait_until("the job has ended", [&] { return !process_runs(job); });
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.runs("slow"), 1U);
  EXPECT_EQ(project.runs("after"), 1U);
}

TEST(Interrupted, AJobWhoseAgentWasKilledTooRunsAgain) {
  Project project;
  project.pipeline(waiting_pipeline);
  Background first = project.start({"run"});
  project.wait_for_side("begun");
  first.signal(SIGKILL);
  first.wait();
  const pid_t job = job_of(project);
  const std::string stat = read_file("/proc/" + std::to_string(job) + "/stat");
  ::kill(std::stoi(stat.substr(stat.rfind(')') + 4)), SIGKILL);  // its agent
  wait_until("the job has ended with its agent", [&] { return !process_runs(job); });
  project.touch_side("go");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.runs("slow"), 2U);
  EXPECT_EQ(project.runs("after"), 1U);
}

TEST(Interrupted, CtrlCEndsTheJobsAndPublishesNothing) {
  ServingProject project;
  project.replace("pipeline.yaml", "cp -r colors",
                  "echo $$ > @SIDE@/slow.pid; touch @SIDE@/begun; "
                  "while [ ! -e @SIDE@/go ]; do sleep 0.02; done\n      cp -r colors");
  Background first = project.start({"run", "--json"});
  project.wait_for_side("begun");
  first.signal(SIGINT);
  const Captured captured = first.wait();
  EXPECT_TRUE(exits(captured, 130));
  EXPECT_TRUE(
      has(captured.error, "interrupted: what had finished is kept, the next run goes on from there\n"));
  EXPECT_EQ(Json::parse(captured.output).at("outcome"), "interrupted");
  EXPECT_FALSE(process_runs(job_of(project)));
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U);
  EXPECT_TRUE(servers_of(project).empty());

  project.touch_side("go");
  const Captured second = project.mlpipe({"run"});
  EXPECT_TRUE(exits(second, 0));
  EXPECT_TRUE(has(second.error, "✓ published tiny:1"));
}

TEST(Interrupted, CtrlCTwiceDoesNotWaitForAJobThatWillNotEnd) {
  Project project;
  project.pipeline(waiting_pipeline);
  project.replace("pipeline.yaml", "echo slow >>", "trap 'echo > @SIDE@/asked' TERM; echo slow >>");
  project.replace("pipeline.yaml", "sleep 0.02", "sleep 0.02 || true");
  Background first = project.start({"run"});
  project.wait_for_side("begun");
  first.signal(SIGINT);
  project.wait_for_side("asked");
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  EXPECT_TRUE(process_runs(job_of(project)));
  project.touch_side("go");
}

TEST(Interrupted, FinishedStepsAreKept) {
  Project project;
  project.pipeline(R"(name: half
steps:
  quick: { run: echo quick >> @SIDE@/runs, outs: [] }
  slow:
    run: |
      touch @SIDE@/begun
      while [ ! -e @SIDE@/go ]; do sleep 0.02; done
      echo slow >> @SIDE@/runs
    needs: quick
)");
  Background first = project.start({"run"});
  project.wait_for_side("begun");
  first.signal(SIGTERM);
  EXPECT_TRUE(exits(first.wait(), 130));
  project.touch_side("go");
  const Json report = project.json({"run", "--json"});
  EXPECT_EQ(state_of(report, "quick"), "cached");
  EXPECT_EQ(state_of(report, "slow"), "succeeded");
  EXPECT_EQ(project.runs("quick"), 1U);
  EXPECT_EQ(project.runs("slow"), 1U);
}

TEST(Interrupted, TwoAtOnceRunEachJobOnce) {
  Project project;
  project.pipeline(waiting_pipeline);
  Background one = project.start({"run"});
  Background two = project.start({"run"});
  project.wait_for_side("begun");
  wait_until("one waits for the other", [&] {
    return (one.error() + two.error()).find("slow runs already, started by another mlpipe") !=
           std::string::npos;
  });
  project.touch_side("go");
  EXPECT_TRUE(exits(one.wait(), 0));
  EXPECT_TRUE(exits(two.wait(), 0));
  EXPECT_EQ(project.runs("slow"), 1U);
  EXPECT_EQ(project.runs("after"), 1U);
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
}

TEST(Interrupted, ManyAtOnceMakeOneStoreOneReleaseAndOneServer) {
  ServingProject project;
  std::vector<Background> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(project.start({"run"}));
  }
  for (Background& one : all) {
    EXPECT_TRUE(exits(one.wait(), 0));
  }
  EXPECT_EQ(project.runs("make"), 1U);
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 1U);
  EXPECT_EQ(servers_of(project).size(), 1U);
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "red");
}

TEST(Interrupted, AStoreThatWasHalfMadeIsCompleted) {
  Project project;
  project.pipeline("name: half\nsteps: { a: { run: echo a >> @SIDE@/runs } }\n");
  std::filesystem::create_directories(project.store() / "blobs");
  write_file_atomically(project.store() / ".making", "");
  write_file_atomically(project.store() / "format.4bc1Xy", "");  // killed while it was written
  EXPECT_EQ(state_of(project.json({"plan", "--json"}), "a"), "run");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
}

TEST(Interrupted, AFolderThatIsNoStoreIsLeftAlone) {
  Project project;
  project.pipeline("name: other\nsteps: { a: { run: echo a >> @SIDE@/runs } }\n");
  write_file_atomically(project.elsewhere() / "diary", "dear diary\n");
  project.environment["MLPIPE_STORE"] = project.elsewhere().string();
  for (const char* command : {"run", "plan", "status"}) {
    const Captured captured = project.mlpipe({command});
    EXPECT_TRUE(exits(captured, 2)) << command;
    EXPECT_TRUE(has(captured.error, "is not a store of mlpipe"));
  }
  EXPECT_EQ(project.runs("a"), 0U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(project.elsewhere()), {}), 1);
}

TEST(Interrupted, AFailedJobFailsEveryRunThatWaitedForIt) {
  Project project;
  project.pipeline(waiting_pipeline);
  project.replace("pipeline.yaml", "echo result > out", "exit 7");
  Background one = project.start({"run"});
  project.wait_for_side("begun");
  Background two = project.start({"run"});
  wait_until("it waits for the job", [&] { return two.error().find("runs already") != std::string::npos; });
  project.touch_side("go");
  EXPECT_TRUE(exits(one.wait(), 1));
  const Captured waited = two.wait();
  EXPECT_TRUE(exits(waited, 1));
  EXPECT_TRUE(has(waited.error, "✗ slow  exit status 7"));
  EXPECT_EQ(project.runs("slow"), 1U);
}

// A rollout is an effect: wherever mlpipe is killed, the next run brings what it wanted.
TEST(Interrupted, ARunKilledAnywhereIsCompletedByTheNext) {
  ServingProject project;
  project.run("red");
  const std::vector<std::string> marks = {"make started", "✓ make", "✓ published", "rolling out"};
  const std::vector<std::string> colors = {"green", "blue", "red", "green"};
  for (std::size_t i = 0; i < marks.size(); ++i) {
    Background run = project.start({"run", "--set", "color=" + colors[i], "--set", "accuracy=0.91"});
    wait_until(marks[i] + " is said or the run has ended",
               [&] { return run.error().find(marks[i]) != std::string::npos || !process_runs(run.pid()); });
    run.signal(SIGKILL);
    run.wait();
    EXPECT_NO_THROW(answer_of(status_of(project).at("address"))) << "killed after '" << marks[i] << "'";
    const Captured next = project.run(colors[i], 0, "0.91");
    EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), colors[i])
        << "killed after '" << marks[i] << "'\n"
        << next.error;
    EXPECT_EQ(status_of(project).at("phase"), "serving");
  }
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 3U);
  EXPECT_EQ(servers_of(project).size(), 1U);
}

}  // namespace
}  // namespace mlpipe
