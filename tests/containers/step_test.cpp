// What a step can rely on, wherever it runs: the same pipelines with `--runs-on local` and in containers.
#include <fmt/format.h>

#include <csignal>

#include "pipeline/base/text.hpp"
#include "tests/containers/engines.hpp"
#include "tests/functional/store_check.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Where jobs can be talked to from outside, in a container too: their checkpoints.
constexpr const char* waiting_pipeline = R"(name: waiting
images: { jobs: { from: "@IMAGE@" } }
steps:
  slow:
    run: |
      echo begun
      touch $MLPIPE_CHECKPOINT_DIR/begun
      while [ ! -e $MLPIPE_CHECKPOINT_DIR/go ]; do sleep 0.02; done
      echo result > out
    outs: [out]
    image: jobs
  after:
    run: cat ${{ steps.slow.outs.out }} > copy
    outs: [copy]
    image: jobs
)";

class StepTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (contained() && !found().why_not.empty()) {
      GTEST_SKIP() << found().why_not;
    }
    if (contained()) {
      for (const auto& [name, value] : found().engine->environment()) {
        project_.environment.emplace(name, value);
      }
      project_.environment["MLPIPE_ENGINE"] = found().engine->name();
    }
  }

  static bool contained() { return GetParam() != Place::here; }
  static const FoundEngine& found() { return engine_of(GetParam()); }

  void pipeline(std::string text) const {
    const std::string image = contained() ? found().image_name : "no-image";
    for (std::size_t at = text.find("@IMAGE@"); at != std::string::npos; at = text.find("@IMAGE@")) {
      text.replace(at, 7, image);
    }
    project_.pipeline(text);
  }

  static Arguments run(Arguments more = {}) {
    more.insert(more.begin(), {"run", "--runs-on", contained() ? "container" : "local"});
    return more;
  }

  // A file that a job has among its checkpoints; empty while there is none.
  fs::path trace(const std::string& name) const {
    std::error_code error;
    for (fs::directory_iterator entry(project_.store() / "checkpoints", error), end; !error && entry != end;
         entry.increment(error)) {
      if (fs::exists(entry->path() / name)) {
        return entry->path() / name;
      }
    }
    return {};
  }
  void wait_for(const std::string& name) const {
    wait_until(name + " is there", [&] { return !trace(name).empty(); });
  }
  void let_go() const { write_file_atomically(trace("begun").parent_path() / "go", ""); }

  void expect_no_container() const {
    if (contained()) {
      EXPECT_EQ(found().engine->ask({"ps", "--all", "--quiet", "--filter",
                                     "label=mlpipe.job=" + fs::path(job_directory_).string()}),
                "");
    }
  }
  // Remembers the job that runs.
  void look_at_job() { job_directory_ = fs::directory_iterator(project_.store() / "jobs")->path(); }

  void kill_agents() const {
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
      const std::string line = read_file_if_exists(entry.path() / "cmdline").value_or("");
      if (line.substr(0, line.find('\0')).ends_with("/mlpipe-agent") &&
          line.find(project_.store().string()) != std::string::npos) {
        ::kill(std::stoi(entry.path().filename()), SIGKILL);
      }
    }
  }

  // A key is gone from the store's locks once all of its job is.
  void wait_for_end_of_jobs() const {
    wait_until("no job runs", [&] {
      for (const auto& lock : fs::directory_iterator(project_.store() / "locks")) {
        if (FileLock::is_held(lock.path())) {
          return false;
        }
      }
      return true;
    });
  }

  Project project_;
  fs::path job_directory_;
};

TEST_P(StepTest, GetsWhatItDeclaresAndHandsItsOutputsOn) {
  project_.write("dep.txt", "declared\n");
  project_.write("undeclared.txt", "");
  pipeline(R"(name: handing
images: { jobs: { from: "@IMAGE@" } }
steps:
  first:
    run: |
      echo $(ls) > seen; cat dep.txt > out; mkdir -p folder/deep; echo file > folder/deep/file
    deps: [dep.txt]
    outs: [seen, out, folder]
    image: jobs
  second:
    run: |
      cat ${{ steps.first.outs.seen }} ${{ steps.first.outs.out }} ${{ steps.first.outs.folder }}/deep/file > all
      echo "{\"lines\": $(grep -c . all)}" > metrics.json
      touch $HOME/a $TMPDIR/b
    outs: [all]
    metrics: [metrics.json]
    image: jobs
  each: { run: "echo ${{ matrix.a }} ${{ matrix.b }} > out", outs: [out], matrix: { a: [1, 2], b: [3, 4] }, image: jobs }
  join: { run: "cat ${{ steps.each.outs.out }} > all", outs: [all], image: jobs }
)");
  const Json report = project_.json(run({"--json"}));
  const std::string all = digest_of_output(report, "second", "all").substr(7);
  EXPECT_EQ(read_file(project_.store() / "blobs" / "sha256" / all), "dep.txt\ndeclared\nfile\n");
  const std::string joined = digest_of_output(report, "join", "all").substr(7);
  EXPECT_EQ(read_file(project_.store() / "blobs" / "sha256" / joined), "1 3\n1 4\n2 3\n2 4\n");
  EXPECT_EQ(step_of(report, "second").at("metrics").at("lines"), 3);
  EXPECT_TRUE(has(project_.mlpipe(run()).error, "nothing changed"));
  EXPECT_TRUE(store_faults(project_).empty());
}

TEST_P(StepTest, FailsWithItsStatusAndItsLog) {
  project_.write("other.txt", "");
  pipeline(R"(name: failing
images: { jobs: { from: "@IMAGE@" } }
steps:
  failing: { run: "echo said; cat other.txt; exit 3", image: jobs }
)");
  const Captured captured = project_.mlpipe(run());
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(
      has(captured.error, "exit status 1; other.txt is in the project but not among the step's `deps`"));
  EXPECT_TRUE(has(project_.mlpipe({"logs", "failing"}).output, "said\n"));
}

TEST_P(StepTest, IsTriedAgainAndTimesOut) {
  pipeline(R"(name: trying
images: { jobs: { from: "@IMAGE@" } }
steps:
  third:
    run: |
      echo try >> $MLPIPE_CHECKPOINT_DIR/tries
      test $(grep -c try $MLPIPE_CHECKPOINT_DIR/tries) = 3
    retry: { limit: 2, when: [failed], backoff: 10ms }
    image: jobs
  long: { run: sleep 1000, timeout: 300ms, image: jobs }
)");
  const Captured captured = project_.mlpipe(run({"--json"}));
  EXPECT_TRUE(exits(captured, 1));
  const Json report = Json::parse(captured.output);
  EXPECT_EQ(state_of(report, "third"), "succeeded");
  EXPECT_EQ(state_of(report, "long"), "failed");
  EXPECT_TRUE(has(captured.error, "timed out after 0.3 s"));
}

TEST_P(StepTest, EndsAtCtrlC) {
  pipeline(waiting_pipeline);
  Background first = project_.start(run());
  wait_for("begun");
  look_at_job();
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  EXPECT_EQ(results_of(project_, "slow"), 0U);
  EXPECT_TRUE(fs::is_empty(project_.store() / "jobs"));
  expect_no_container();
  let_go();
  EXPECT_TRUE(exits(project_.mlpipe(run()), 0));
}

TEST_P(StepTest, GoesOnWithoutMlpipeAndIsTakenUp) {
  pipeline(waiting_pipeline);
  Background first = project_.start(run());
  wait_for("begun");
  first.signal(SIGKILL);
  first.wait();
  Background second = project_.start(run({"--json"}));
  wait_until("it waits for the job", [&] {
    return second.error().find("slow runs already, started by another mlpipe") != std::string::npos;
  });
  let_go();
  const Captured captured = second.wait();
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_EQ(state_of(Json::parse(captured.output), "after"), "succeeded");
  EXPECT_EQ(results_of(project_, "slow"), 1U);
  EXPECT_EQ(project_.mlpipe({"logs", "slow"}).output, "begun\n");
}

TEST_P(StepTest, RunsAgainWhenItsAgentWasKilledToo) {
  pipeline(waiting_pipeline);
  Background first = project_.start(run());
  wait_for("begun");
  look_at_job();
  first.signal(SIGKILL);
  first.wait();
  kill_agents();
  let_go();
  EXPECT_TRUE(exits(project_.mlpipe(run()), 0));
  EXPECT_EQ(results_of(project_, "slow"), 1U);
  EXPECT_TRUE(store_faults(project_).empty());
  expect_no_container();
}

TEST_P(StepTest, KeepsItsSecretsOutOfLogAndStore) {
  project_.environment["MLPIPE_SECRET_TOKEN"] = "s3cr3t";
  pipeline(R"(name: secret
images: { jobs: { from: "@IMAGE@" } }
steps:
  says: { run: "echo it is $TOKEN", env: { TOKEN: "${{ secrets.TOKEN }}" }, image: jobs }
)");
  EXPECT_TRUE(exits(project_.mlpipe(run()), 0));
  EXPECT_EQ(project_.mlpipe({"logs", "says"}).output, "it is ***\n");
  for (const auto& entry : fs::recursive_directory_iterator(project_.store())) {
    if (entry.is_regular_file()) {
      EXPECT_EQ(read_file(entry.path()).find("s3cr3t"), std::string::npos) << entry.path();
    }
  }
}

TEST_P(StepTest, LosesNothingWhereAgentsOrMlpipeAreKilledAtTheirWrites) {
  constexpr const char* text = R"(name: crash
images: { jobs: { from: "@IMAGE@" } }
steps:
  only: { run: "mkdir out; echo made > out/file", outs: [out], image: jobs }
)";
  std::vector<std::string> points = {"mlpipe-agent:1", "mlpipe-agent:2", "mlpipe-agent:3", "mlpipe-agent:4"};
  for (int point = 5; point < 60; point += 9) {
    points.push_back("mlpipe:" + std::to_string(point));
  }
  for (const std::string& point : points) {
    fs::remove_all(project_.store());
    pipeline(text);
    project_.environment["MLPIPE_CRASH_AT"] = point;
    project_.mlpipe(run());
    project_.environment.erase("MLPIPE_CRASH_AT");
    EXPECT_TRUE(exits(project_.mlpipe(run()), 0)) << point;
    EXPECT_TRUE(store_faults(project_).empty()) << point;
    EXPECT_TRUE(fs::is_empty(project_.store() / "jobs")) << point;
    EXPECT_TRUE(has(project_.mlpipe(run()).error, "nothing changed")) << point;
    project_.wait_for_removals();
  }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, StepTest, testing::Values(Place::here, Place::docker, Place::podman),
                         [](const auto& one) { return name_of(one.param); });

class ContainerStepTest : public StepTest {};

TEST_P(ContainerStepTest, NamesWantOfMemory) {
  pipeline(R"(name: hungry
images: { jobs: { from: "@IMAGE@" } }
steps:
  hungry: { run: [perl, -e, "$x = q(a) x 200e6; print length $x"], resources: { memory: 64Mi }, image: jobs }
)");
  const Captured captured = project_.mlpipe(run({"--json"}));
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "out of memory: it had 64.0 MiB"));
  EXPECT_TRUE(has(step_of(Json::parse(captured.output), "hungry").dump(), "out of memory: it had 64.0 MiB"));
  const Json runs = project_.json({"runs", "--json"});
  EXPECT_TRUE(has(project_.mlpipe({"show", runs.at(0).at("run").dump()}).output, "out of memory"));
}

TEST_P(ContainerStepTest, CannotWriteIntoItsInputsOrReachTheNetwork) {
  pipeline(R"(name: bounded
images: { jobs: { from: "@IMAGE@" } }
steps:
  first: { run: "echo one > out; mkdir folder; echo two > folder/file", outs: [out, folder], image: jobs }
  second:
    run: |
      if touch ${{ steps.first.outs.out }} || touch ${{ steps.first.outs.folder }}/more; then exit 1; fi
      test $(ls /sys/class/net) = lo
    image: jobs
)");
  EXPECT_TRUE(exits(project_.mlpipe(run()), 0));
  EXPECT_TRUE(store_faults(project_).empty());
}

TEST_P(ContainerStepTest, NeedsAnEngineThatAnswersBeforeAnythingRuns) {
  pipeline(R"(name: needy
images: { jobs: { from: "@IMAGE@" } }
steps:
  before: { run: touch out, outs: [out], runs-on: local }
  inside: { run: "true", image: jobs }
)");
  project_.environment["MLPIPE_ENGINE"] = "docker";
  project_.environment["DOCKER_HOST"] = "unix:///no/such/socket";
  Captured captured = project_.mlpipe({"run", "--runs-on", "container"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "/no/such/socket"));
  EXPECT_TRUE(has(captured.error, "start the engine, or say where it is"));
  EXPECT_FALSE(fs::exists(project_.store() / "jobs") && !fs::is_empty(project_.store() / "jobs"));
}

TEST_P(ContainerStepTest, IsToldBeforeThatTheEngineHasNoGpus) {
  if (fs::exists("/dev/nvidia0")) {
    GTEST_SKIP() << "this machine has one";
  }
  project_.environment["CUDA_VISIBLE_DEVICES"] = "0";
  pipeline(R"(name: gpus
images: { jobs: { from: "@IMAGE@" } }
steps:
  trains: { run: "true", resources: { gpu: 1 }, image: jobs }
)");
  const Captured captured = project_.mlpipe(run());
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(has(captured.error,
                  fmt::format("gpu: 1 wanted, and {} has no GPUs for containers", found().engine->name())));
  EXPECT_TRUE(has(captured.error, "install the NVIDIA Container Toolkit"));
}

INSTANTIATE_TEST_SUITE_P(Engines, ContainerStepTest, testing::Values(Place::docker, Place::podman),
                         [](const auto& one) { return name_of(one.param); });

}  // namespace
}  // namespace mlpipe
