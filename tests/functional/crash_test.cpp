// mlpipe and its agents are killed at every write of a run, and at random: nothing that was reported done is
// lost, the store stays whole, and the next run finishes.
#include <csignal>
#include <random>
#include <thread>

#include <algorithm>
#include <array>

#include "pipeline/base/digest.hpp"
#include "tests/functional/store_check.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> steps = {"first", "model", "side", "last"};

// A file, a folder, a step that needs both, and a release.
class CrashProject : public Project {
 public:
  CrashProject() {
    write_tiny_model(folder() / "red", "red");
    pipeline(R"(name: crash
params: { n: 0 }
steps:
  first:
    run: echo first ${{ params.n }} >> @SIDE@/runs; echo ${{ params.n }} > out
    outs: [out]
  model:
    run: |
      echo model ${{ params.n }} >> @SIDE@/runs
      cp -r red model; mkdir -p model/deep/er; cp ${{ steps.first.outs.out }} model/deep/er/n
    deps: [red]
    outs: [model]
  side:
    run: echo side ${{ params.n }} >> @SIDE@/runs; echo to the log; echo ${{ params.n }} > a; echo b > b
    outs: [a, b]
  last:
    run: |
      echo last ${{ params.n }} >> @SIDE@/runs
      cat ${{ steps.model.outs.model }}/deep/er/n ${{ steps.side.outs.a }} > out
      echo '{"n": ${{ params.n }}}' > metrics.json
    outs: [out]
    metrics: [metrics.json]
model: { name: tiny, from: "${{ steps.model.outs.model }}" }
)");
  }

  // Runs to the end, which must come out right, and expects that nothing was run again that `earlier`, what a
  // killed run wrote, reported done.
  void finish(int n, const std::string& earlier, const std::string& where) {
    for (const std::string& fault : store_faults(*this)) {
      ADD_FAILURE() << where << ": " << fault;
    }
    const std::string suffix = " " + std::to_string(n);
    std::vector<std::size_t> before;
    for (const std::string& step : steps) {
      before.push_back(runs(step + suffix));
    }
    const Captured next = mlpipe({"run", "-j", "2", "--json", "--set", "n=" + std::to_string(n)});
    ASSERT_TRUE(exits(next, 0)) << where << "\n" << earlier;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const bool reported = earlier.find("✓ " + steps[i] + " ") != std::string::npos;
      EXPECT_FALSE(reported && runs(steps[i] + suffix) > before[i])
          << where << ": " << steps[i] << " ran again, which had been reported\n"
          << earlier << next.error;
    }
    const std::string digest = digest_of_output(Json::parse(next.output), "last", "out").substr(7);
    EXPECT_EQ(read_file(store() / "blobs" / "sha256" / digest), fmt_twice(n)) << where;
    for (const std::string& fault : store_faults(*this)) {
      ADD_FAILURE() << where << ", after the next run: " << fault;
    }
    EXPECT_TRUE(fs::is_empty(store() / "jobs")) << where << ": a job's folder is left";
    EXPECT_TRUE(fs::is_empty(store() / "locks")) << where << ": a lock's file is left";
    const Json releases = json({"models", "ls", "--json"});
    EXPECT_TRUE(
        std::any_of(releases.begin(), releases.end(),
                    [](const Json& release) { return release.at("aliases") == Json::array({"latest"}); }))
        << where << "\n"
        << releases.dump(2);
    EXPECT_TRUE(has(mlpipe({"run", "--set", "n=" + std::to_string(n)}).error, "nothing changed")) << where;
  }

 private:
  static std::string fmt_twice(int n) { return std::to_string(n) + "\n" + std::to_string(n) + "\n"; }
};

// How many points a process of the program comes to in one run.
std::size_t points_of(const std::string& program, std::size_t processes) {
  CrashProject project;
  project.environment["MLPIPE_CRASH_LOG"] = project.side("points").string();
  EXPECT_TRUE(exits(project.mlpipe({"run", "-j", "2"}), 0));
  const std::vector<std::string> lines = project.lines("points");
  const auto count = std::count_if(lines.begin(), lines.end(),
                                   [&](const std::string& line) { return line.starts_with(program + " "); });
  return static_cast<std::size_t>(count) / processes;
}

constexpr std::size_t parts = 4;  // so that one part is done well within a test's time

class EveryWrite : public testing::TestWithParam<std::size_t> {};

TEST_P(EveryWrite, KilledThereMlpipeLosesNothing) {
  const std::size_t points = points_of("mlpipe", 1);
  ASSERT_GT(points, 50U) << "the points are not called";
  for (std::size_t point = 1 + GetParam(); point <= points; point += parts) {
    CrashProject project;
    project.environment["MLPIPE_CRASH_AT"] = "mlpipe:" + std::to_string(point);
    const Captured killed = project.mlpipe({"run", "-j", "2"});
    project.environment.erase("MLPIPE_CRASH_AT");
    project.finish(0, killed.error, "killed at point " + std::to_string(point));
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, EveryWrite, testing::Range(std::size_t{0}, parts));

TEST(Crash, AgentsKilledAtAnyOfTheirWritesLoseNothing) {
  const std::size_t points = points_of("mlpipe-agent", steps.size());
  ASSERT_GE(points, 3U) << "the points are not called";
  for (std::size_t point = 1; point <= points; ++point) {
    CrashProject project;
    project.environment["MLPIPE_CRASH_AT"] = "mlpipe-agent:" + std::to_string(point);
    const Captured run = project.mlpipe({"run", "-j", "2"});
    project.environment.erase("MLPIPE_CRASH_AT");
    project.finish(0, run.error, "agents killed at point " + std::to_string(point));
  }
}

void kill_agents(const Project& project) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      const std::string line = read_file_if_exists(entry.path() / "cmdline").value_or("");
      if (line.substr(0, line.find('\0')).ends_with("/mlpipe-agent") &&
          line.find(project.store().string()) != std::string::npos) {
        ::kill(std::stoi(name), SIGKILL);
      }
    }
  }
}

TEST(Crash, KilledAtRandomMlpipeLosesNothing) {
  CrashProject project;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(exits(project.mlpipe({"run", "-j", "2"}), 0));
  const auto whole =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  std::mt19937 random(4);
  constexpr int kills = 120;
  for (int n = 1; n <= kills; ++n) {
    std::uniform_int_distribution<std::int64_t> moment(0, whole.count());
    Background run = project.start({"run", "-j", "2", "--set", "n=" + std::to_string(n)});
    std::this_thread::sleep_for(std::chrono::microseconds(moment(random)));
    run.signal(SIGKILL);
    if (n % 3 == 0) {
      kill_agents(project);
    }
    project.finish(n, run.wait().error, "random kill " + std::to_string(n));
    if (testing::Test::HasFailure()) {
      return;
    }
  }
}

// A power cut leaves names whose bytes are torn, and no row for them.
TEST(Crash, WhatAPowerCutCanTearIsNotTrusted) {
  CrashProject project;
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  const Json before = project.json({"run", "--json"});
  const std::string other = digest_of("1\n").hex();
  write_file_atomically(project.store() / "blobs" / "sha256" / other, "torn");
  fs::create_directories(project.store() / "trees" / other);
  fs::create_directories(project.store() / "jobs" / other / "work");
  write_file_atomically(project.store() / "boot", "another boot\n");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_FALSE(fs::exists(project.store() / "blobs" / "sha256" / other));
  EXPECT_FALSE(fs::exists(project.store() / "trees" / other));
  EXPECT_FALSE(fs::exists(project.store() / "jobs" / other));
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed")) << "what rows name is kept";
  project.finish(1, "", "after the power cut");
}

TEST(Crash, SixProcessesOnOneStoreComputeEverythingOnce) {
  Project project;
  project.pipeline(R"(name: six
params: { n: 0 }
steps:
  a: { run: "echo a ${{ params.n }} >> @SIDE@/runs; echo ${{ params.n }} > out", outs: [out] }
  b: { run: "echo b $(cat ${{ steps.a.outs.out }}) >> @SIDE@/runs; cp ${{ steps.a.outs.out }} out", outs: [out] }
)");
  constexpr int rounds = 60;
  std::vector<std::jthread> processes;
  std::array<int, 6> failures{};
  for (int& failed : failures) {
    processes.emplace_back([&project, &failed] {
      for (int n = 0; n < rounds; ++n) {
        const Captured run = project.mlpipe({"run", "-j", "2", "--set", "n=" + std::to_string(n)});
        if (!run.ending.succeeded()) {
          ++failed;
          ADD_FAILURE() << run.error;
        }
      }
    });
  }
  processes.clear();
  for (const int failed : failures) {
    EXPECT_EQ(failed, 0);
  }
  for (int n = 0; n < rounds; ++n) {
    EXPECT_EQ(project.runs("a " + std::to_string(n)), 1U);
    EXPECT_EQ(project.runs("b " + std::to_string(n)), 1U);
  }
  for (const std::string& fault : store_faults(project)) {
    ADD_FAILURE() << fault;
  }
}

}  // namespace
}  // namespace mlpipe
