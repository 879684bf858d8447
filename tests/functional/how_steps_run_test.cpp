// What a pipeline says about running: matrix, if, finally, retry, resources, tools, secrets.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "pipeline/base/text.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* matrix_pipeline = R"(name: sweep
params: { base: 1 }
steps:
  train:
    run: echo train-${{ matrix.lr }} >> @SIDE@/runs; echo ${{ matrix.lr }} > model
    matrix: { lr: [1, 2] }
    outs: [model]
  gather:
    run: echo gather >> @SIDE@/runs; cat ${{ steps.train.outs.model }} > all
    outs: [all]
  one: { run: "cat ${{ steps.train[lr=2].outs.model }}" }
)";

TEST(Matrix, RunsEachCombinationAndOneMoreAlone) {
  Project project;
  project.pipeline(matrix_pipeline);
  const Json first = project.json({"run", "--json"});
  EXPECT_EQ(state_of(first, "train[lr=1]"), "succeeded");
  EXPECT_EQ(step_of(first, "train[lr=2]").at("matrix"), Json({{"lr", "2"}}));
  EXPECT_EQ(project.mlpipe({"logs", "one"}).output, "2\n");
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));

  project.replace("pipeline.yaml", "lr: [1, 2]", "lr: [1, 3, 2]");
  const Json second = project.json({"run", "--json"});
  EXPECT_EQ(state_of(second, "train[lr=1]"), "cached");
  EXPECT_EQ(state_of(second, "train[lr=3]"), "succeeded");
  EXPECT_EQ(state_of(second, "gather"), "succeeded");
  EXPECT_EQ(state_of(second, "one"), "cached");
  EXPECT_EQ(project.runs("train-3"), 1U);
  EXPECT_EQ(project.runs("train-1"), 1U);
  EXPECT_EQ(project.runs("gather"), 2U);
}

TEST(Matrix, IsNamedAsAWholeAndByCombination) {
  Project project;
  project.pipeline(matrix_pipeline);
  EXPECT_TRUE(exits(project.mlpipe({"run", "--until", "train"}), 0));
  EXPECT_EQ(project.runs("gather"), 0U);
  EXPECT_TRUE(exits(project.mlpipe({"run", "--until", "train", "--force", "train[lr=2]"}), 0));
  EXPECT_EQ(project.runs("train-1"), 1U);
  EXPECT_EQ(project.runs("train-2"), 2U);
  EXPECT_TRUE(exits(project.mlpipe({"run", "--until", "train", "--force", "train"}), 0));
  EXPECT_EQ(project.runs("train-1"), 2U);
  EXPECT_TRUE(exits(project.mlpipe({"logs", "train[lr=2]"}), 0));
  const Captured unknown = project.mlpipe({"run", "--until", "trian"});
  EXPECT_TRUE(exits(unknown, 2));
  EXPECT_TRUE(has(unknown.error, "did you mean 'train'?"));
}

constexpr const char* failing_matrix = R"(name: failing
steps:
  train:
    run: |
      echo train-${{ matrix.n }} >> @SIDE@/runs
      if [ ${{ matrix.n }} = 1 ]; then while [ ! -e @SIDE@/second ]; do sleep 0.02; done; exit 3; fi
      if [ ${{ matrix.n }} = 2 ]; then touch @SIDE@/second; while [ ! -e @SIDE@/go ]; do sleep 0.02; done; fi
    matrix: { n: [1, 2, 3] }
  other: { run: echo other >> @SIDE@/runs }
)";

TEST(Matrix, FailsFast) {
  Project project;
  project.pipeline(failing_matrix);
  const Captured captured = project.mlpipe({"run", "--jobs", "2", "--json"});
  EXPECT_TRUE(exits(captured, 1));
  const Json report = Json::parse(captured.output);
  EXPECT_EQ(step_of(report, "train[n=1]").at("failure"), "exit status 3");
  EXPECT_EQ(step_of(report, "train[n=2]").at("failure"), "cancelled");
  EXPECT_EQ(state_of(report, "train[n=3]"), "blocked");
  EXPECT_EQ(reasons_of(report, "train[n=3]"), "train[n=1] failed, and its matrix fails fast");
  EXPECT_EQ(state_of(report, "other"), "succeeded");
  EXPECT_TRUE(has(captured.error, "1 step did not run"));
}

TEST(Matrix, GoesOnWithKeepGoing) {
  Project project;
  project.pipeline(failing_matrix);
  project.touch_side("go");
  const Captured captured = project.mlpipe({"run", "--jobs", "2", "--keep-going", "--json"});
  EXPECT_TRUE(exits(captured, 1));
  const Json report = Json::parse(captured.output);
  EXPECT_EQ(state_of(report, "train[n=1]"), "failed");
  EXPECT_EQ(state_of(report, "train[n=2]"), "succeeded");
  EXPECT_EQ(state_of(report, "train[n=3]"), "succeeded");
}

TEST(If, SkipsAndSaysWhy) {
  Project project;
  project.pipeline(R"(name: conditions
params: { ship: false }
steps:
  make: { run: "echo '{\"f1\": 0.7}' > m.json", metrics: [m.json] }
  ship: { run: echo ship >> @SIDE@/runs, if: params.ship == true }
  after: { run: echo after >> @SIDE@/runs, needs: ship }
  good: { run: echo good >> @SIDE@/runs, if: steps.make.metrics.f1 > 0.5 }
  bad: { run: echo bad >> @SIDE@/runs, if: steps.make.metrics.f1 > 0.9 }
)");
  const Captured plan = project.mlpipe({"plan"});
  EXPECT_TRUE(has(plan.output, "if: params.ship == true does not hold: params.ship is false"));
  const Captured first = project.mlpipe({"run"});
  EXPECT_TRUE(exits(first, 0));
  EXPECT_TRUE(has(first.error,
                  "- bad  skipped: if: steps.make.metrics.f1 > 0.9 does not hold: "
                  "steps.make.metrics.f1 is 0.7"));
  EXPECT_EQ(project.lines("runs"), std::vector<std::string>{"good"});
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed: 2 steps cached, 3 skipped, 0 jobs run"));
  EXPECT_TRUE(exits(project.mlpipe({"run", "--set", "ship=true"}), 0));
  EXPECT_EQ(project.lines("runs"), (std::vector<std::string>{"good", "ship", "after"}));
}

constexpr const char* finally_pipeline = R"(name: last
steps:
  work:
    run: |
      echo $$ > @SIDE@/work.pid
      touch @SIDE@/begun
      while [ ! -e @SIDE@/go ]; do sleep 0.02; done
      exit 4
  next: { run: echo next >> @SIDE@/runs, needs: work }
  tidy: { run: "echo tidy work ${{ steps.work.outcome }} next ${{ steps.next.outcome }} >> @SIDE@/said", finally: true }
)";

TEST(Finally, RunsAfterAFailureEachTime) {
  Project project;
  project.pipeline(finally_pipeline);
  project.touch_side("go");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 1));
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 1));
  EXPECT_EQ(project.lines("said"),
            (std::vector<std::string>{"tidy work failed next blocked", "tidy work failed next blocked"}));
  project.replace("pipeline.yaml", "exit 4", "exit 0");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.lines("said").back(), "tidy work succeeded next succeeded");
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  EXPECT_EQ(project.lines("said").size(), 3U);
}

TEST(Finally, RunsAfterCtrlC) {
  Project project;
  project.pipeline(finally_pipeline);
  Background run = project.start({"run"});
  project.wait_for_side("begun");
  run.signal(SIGINT);
  EXPECT_TRUE(exits(run.wait(), 130));
  EXPECT_EQ(project.lines("said"), std::vector<std::string>{"tidy work blocked next blocked"});
  EXPECT_FALSE(process_runs(std::stoi(project.lines("work.pid").at(0))));
}

TEST(Finally, ThatFailsFailsTheRun) {
  Project project;
  project.pipeline("name: last\nsteps:\n  a: { run: \"true\" }\n  z: { run: exit 3, finally: true }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 1));
}

TEST(Retry, KeepsTheFailedAttemptAndTriesAgain) {
  Project project;
  project.pipeline(R"(name: flaky
steps:
  flaky:
    run: |
      echo flaky >> @SIDE@/runs
      echo attempt $(wc -l < @SIDE@/runs)
      test $(wc -l < @SIDE@/runs) = 3 || exit 3
    retry: { limit: 5, backoff: 10ms, factor: 1 }
)");
  const Captured captured = project.mlpipe({"run", "--json"});
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "flaky  retry 1 of 5 in 10 ms: exit status 3\n"));
  EXPECT_TRUE(has(captured.error, "flaky  retry 2 of 5 in 10 ms: exit status 3\n"));
  EXPECT_TRUE(has(captured.error, "attempt 1"));
  EXPECT_EQ(step_of(Json::parse(captured.output), "flaky").at("retries"), 2);
  EXPECT_EQ(project.runs("flaky"), 3U);
  const std::size_t at = captured.error.find("    log: ") + std::string("    log: ").size();
  EXPECT_EQ(read_file(captured.error.substr(at, captured.error.find('\n', at) - at)), "attempt 1\n");
}

TEST(Retry, EndsAtItsLimitAndOnlyForWhatItIsFor) {
  Project project;
  project.pipeline(R"(name: flaky
steps:
  often: { run: echo often >> @SIDE@/runs; exit 3, retry: { limit: 2, backoff: 10ms } }
  never: { run: echo never >> @SIDE@/runs; exit 3, retry: { limit: 2, backoff: 10ms, when: [killed, timeout] } }
  killed: { run: "echo killed >> @SIDE@/runs; kill -9 $$", retry: { limit: 1, backoff: 10ms, when: [killed] } }
  late: { run: echo late >> @SIDE@/runs; sleep 60, timeout: 100ms, retry: { limit: 1, backoff: 10ms, when: [timeout] } }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 1));
  EXPECT_EQ(project.runs("often"), 3U);
  EXPECT_EQ(project.runs("never"), 1U);
  EXPECT_EQ(project.runs("killed"), 2U);
  EXPECT_EQ(project.runs("late"), 2U);
}

TEST(Retry, CtrlCEndsTheWait) {
  Project project;
  project.pipeline(
      "name: flaky\nsteps:\n  a: { run: exit 3, retry: { limit: 1, backoff: 1h, max-backoff: 1h } }\n");
  Background run = project.start({"run"});
  wait_until("it waits", [&] { return run.error().find("retry 1 of 1 in 1 h") != std::string::npos; });
  run.signal(SIGINT);
  EXPECT_TRUE(exits(run.wait(), 130));
}

TEST(Jobs, MayBeMoreThanThisProcessMayHaveFilesOpenAtFirst) {
  Project project;
  project.pipeline(R"(name: many
steps:
  many:
    run: ": ${{ matrix.first }} ${{ matrix.second }}; ulimit -S -n >> @SIDE@/limits; while [ ! -e @SIDE@/go ]; do sleep 0.1; done"
    matrix: { first: [0, 1, 2, 3, 4, 5, 6, 7], second: [0, 1, 2, 3, 4, 5, 6, 7] }
)");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{128, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  Background run = project.start({"run", "--jobs", "64"});
  ::setrlimit(RLIMIT_NOFILE, &before);
  for (int round = 0; round < 6000 && project.lines("limits").size() < 64; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  project.touch_side("go");
  EXPECT_TRUE(exits(run.wait(), 0));
  EXPECT_EQ(project.lines("limits"), std::vector<std::string>(64, "128"));
}

TEST(Resources, ThatAreNeverThereAreAnErrorBeforeAnythingRuns) {
  Project project;
  project.environment["CUDA_VISIBLE_DEVICES"] = "";
  project.pipeline(R"(name: large
steps:
  first: { run: echo first >> @SIDE@/runs }
  gpu: { run: "true", resources: { gpu: 2 } }
  cores: { run: "true", resources: { cpu: 100000 } }
  memory: { run: "true", resources: { memory: 5Pi } }
)");
  for (const char* command : {"run", "plan"}) {
    const Captured captured = project.mlpipe({command});
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, "pipeline.yaml:4:41: gpu: 2 wanted, this machine has 0\n"));
    EXPECT_TRUE(has(captured.error, "pipeline.yaml:5:43: cpu: 100000 wanted, this machine has "));
    EXPECT_TRUE(has(captured.error, "pipeline.yaml:6:47: memory: "));
  }
  EXPECT_EQ(project.runs("first"), 0U);
  EXPECT_FALSE(fs::exists(project.store()));
}

TEST(Resources, JobsThatDoNotFitTogetherRunOneAfterTheOther) {
  Project project;
  project.environment["CUDA_VISIBLE_DEVICES"] = "7,8";
  project.pipeline(R"(name: gpus
steps:
  a: { run: "mkdir @SIDE@/busy; echo a $CUDA_VISIBLE_DEVICES >> @SIDE@/said; sleep 0.1; rmdir @SIDE@/busy", resources: { gpu: 2 } }
  b: { run: "mkdir @SIDE@/busy; echo b $CUDA_VISIBLE_DEVICES >> @SIDE@/said; sleep 0.1; rmdir @SIDE@/busy", resources: { gpu: 1 } }
  none: { run: "echo none [$CUDA_VISIBLE_DEVICES] >> @SIDE@/said", resources: { gpu: 0 }, needs: [a, b] }
)");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--jobs", "4"}), 0));
  EXPECT_EQ(project.lines("said"), (std::vector<std::string>{"a 7,8", "b 7", "none []"}));
}

TEST(Tools, RunTheStepAgainWhenTheyChange) {
  Project project;
  project.write("bin/greet", "#!/bin/sh\necho hello\n");
  fs::permissions(project.folder() / "bin" / "greet", fs::perms::owner_all);
  const std::string path = std::getenv("PATH");
  project.environment["PATH"] = (project.folder() / "bin").string() + ":" + path;
  project.pipeline(
      "name: tools\nsteps:\n  a: { run: greet > out; echo a >> @SIDE@/runs, outs: [out], tools: [greet] }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  project.write("bin/greet", "#!/bin/sh\necho good day\n");
  fs::permissions(project.folder() / "bin" / "greet", fs::perms::owner_all);
  EXPECT_EQ(reasons_of(project.json({"plan", "--json"}), "a"), "tool greet changed");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.runs("a"), 2U);
}

// Every file below the folder that holds the text.
std::vector<std::string> files_with(const fs::path& folder, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && read_file(entry.path()).find(text) != std::string::npos) {
      found.push_back(entry.path().string());
    }
  }
  return found;
}

TEST(Secrets, ReachTheJobAndNothingElse) {
  Project project;
  project.pipeline(R"(name: secret
steps:
  use:
    run: |
      echo use >> @SIDE@/runs
      echo the token is $TOKEN
      touch @SIDE@/begun
      while [ ! -e @SIDE@/go ]; do sleep 0.02; done
      test $TOKEN = $(cat @SIDE@/wanted)
    env: { TOKEN: "${{ secrets.HOOK }}" }
)");
  const std::string value = "correct-horse-battery";
  write_file_atomically(project.side("wanted"), value);
  const Captured missing = project.mlpipe({"run"});
  EXPECT_TRUE(exits(missing, 2));
  EXPECT_TRUE(has(missing.error, "the secret 'HOOK' is not there"));
  EXPECT_EQ(project.runs("use"), 0U);

  project.environment["MLPIPE_SECRET_HOOK"] = value;
  Background run = project.start({"run"});
  project.wait_for_side("begun");
  wait_until("the log is shown", [&] { return run.error().find("the token is") != std::string::npos; });
  const auto job_json = [&] {
    for (const auto& entry : fs::recursive_directory_iterator(project.store() / "jobs")) {
      if (entry.path().filename() == "job.json") {
        return read_file(entry.path());
      }
    }
    return std::string();
  }();
  EXPECT_TRUE(has(job_json, "TOKEN"));
  EXPECT_TRUE(has_not(job_json, value));
  project.touch_side("go");
  const Captured captured = run.wait();
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "the token is ***"));
  EXPECT_TRUE(has_not(captured.error, value));
  EXPECT_EQ(project.mlpipe({"logs", "use"}).output, "the token is ***\n");
  project.wait_for_removals();
  EXPECT_EQ(files_with(project.store(), value), std::vector<std::string>{});

  // Another value runs nothing again, and for a step that does not run no value is needed.
  project.environment["MLPIPE_SECRET_HOOK"] = "another";
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  project.environment.erase("MLPIPE_SECRET_HOOK");
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));

  fs::create_directories(project.side("secrets"));
  write_file_atomically(project.side("secrets") / "HOOK", value + "\n");
  project.environment["MLPIPE_SECRETS_DIR"] = project.side("secrets").string();
  EXPECT_TRUE(exits(project.mlpipe({"run", "--force", "use"}), 0));
  EXPECT_EQ(project.runs("use"), 2U);
}

TEST(Secrets, ThatAreMissingInALaterRunAreSaidAtTheirPlace) {
  Project project;
  project.pipeline("name: later\nsteps:\n  a: { run: exit 3, env: { TOKEN: \"${{ secrets.HOOK }}\" } }\n");
  project.environment["MLPIPE_SECRET_HOOK"] = "x-y-z";
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 1));
  project.environment.clear();
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(
      has(captured.error, "pipeline.yaml:3:35: the secret 'HOOK' is not there\n    a: { run: exit 3"));
}

}  // namespace
}  // namespace mlpipe
