// A step whose program runs as several processes.
#include <algorithm>
#include <csignal>
#include <set>

#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

constexpr const char* two_by_two = R"(name: several
params: { processes: 2 }
steps:
  train:
    run: |
      echo $RANK $LOCAL_RANK $NODE_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR ${MLPIPE_PROGRESS:+told} >> @SIDE@/runs
      echo $MASTER_PORT >> @SIDE@/ports
      echo "said by $RANK"; echo "a warning of $RANK" >&2; printf "unended $RANK"
      if [ $RANK = 0 ]; then echo result > out; fi
    outs: [out]
    nodes: 2
    processes: ${{ params.processes }}
)";

TEST(Processes, FindThemselvesAndEachOther) {
  Project project;
  project.pipeline(two_by_two);
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  std::vector<std::string> runs = project.lines("runs");
  std::sort(runs.begin(), runs.end());
  EXPECT_EQ(runs, (std::vector<std::string>{"0 0 0 4 2 127.0.0.1 told", "1 1 0 4 2 127.0.0.1",
                                            "2 0 1 4 2 127.0.0.1", "3 1 1 4 2 127.0.0.1"}));
  const std::vector<std::string> ports = project.lines("ports");
  EXPECT_EQ(std::set<std::string>(ports.begin(), ports.end()).size(), 1U);
  EXPECT_GT(std::stoi(ports.at(0)), 1023);

  const std::string log = project.mlpipe({"logs", "train"}).output;
  for (const char* rank : {"0", "1", "2", "3"}) {
    const std::string prefix = "[" + std::string(rank) + "] ";
    EXPECT_TRUE(has(log, prefix + "said by " + rank + "\n"));
    EXPECT_TRUE(has(log, prefix + "a warning of " + rank + "\n"));
    EXPECT_TRUE(has(log, prefix + "unended " + rank + "\n"));
  }
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  EXPECT_TRUE(has(project.mlpipe({"plan", "--set", "processes=1"}).output, "params.processes: 2 → 1"));
}

// Those of rank 0 wait; the last fails once all are there.
constexpr const char* one_fails = R"(name: several
steps:
  train:
    run: |
      trap 'echo "told $RANK" >> @SIDE@/told; exit 143' TERM
      touch @SIDE@/begun.$RANK
      if [ $RANK = 2 ]; then
        while [ ! -e @SIDE@/begun.0 ] || [ ! -e @SIDE@/begun.1 ]; do sleep 0.02; done
        echo "no more"; exit 7
      fi
      while true; do sleep 0.02; done
    processes: 3
)";

TEST(Processes, OneThatFailsEndsTheOthersAndSaysHowTheStepHasEnded) {
  Project project;
  project.pipeline(one_fails);
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "✗ train  exit status 7"));
  EXPECT_TRUE(has(captured.error, "[2] no more"));
  EXPECT_TRUE(has(captured.error, "process 2: exit status 7; the others are ended"));
  std::vector<std::string> told = project.lines("told");
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, (std::vector<std::string>{"told 0", "told 1"}));
}

TEST(Processes, AllEndByCtrlCAndGoOnWithoutMlpipe) {
  Project project;
  project.pipeline(R"(name: several
steps:
  train:
    run: |
      echo train >> @SIDE@/runs; echo $$ > @SIDE@/pid.$RANK; touch @SIDE@/begun.$RANK
      while [ ! -e @SIDE@/go ]; do sleep 0.02; done
    processes: 2
)");
  const auto wait_for_both = [&] {
    project.wait_for_side("begun.0");
    project.wait_for_side("begun.1");
  };
  Background first = project.start({"run"});
  wait_for_both();
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  for (const char* file : {"pid.0", "pid.1"}) {
    EXPECT_FALSE(process_runs(std::stoi(project.lines(file).at(0)))) << file;
    std::filesystem::remove(project.side(std::string("begun") + &file[3]));
  }

  Background second = project.start({"run"});
  wait_for_both();
  second.signal(SIGKILL);
  second.wait();
  project.touch_side("go");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.runs("train"), 4U) << "two of each of the first two runs";
}

TEST(Processes, ATimeoutEndsAll) {
  Project project;
  project.pipeline(R"(name: several
steps:
  train: { run: "echo $$ > @SIDE@/pid.$RANK; sleep 60", processes: 2, timeout: 1s }
)");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "timed out after 1.0 s"));
  for (const char* file : {"pid.0", "pid.1"}) {
    EXPECT_FALSE(process_runs(std::stoi(project.lines(file).at(0)))) << file;
  }
}

}  // namespace
}  // namespace mlpipe
