// What a job leaves in its checkpoint folder, for whom, and until when.
#include <csignal>

#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Counts to five in its checkpoint folder, one number each 20 ms, and says where it began; @END@ is what it
// does once, at three.
constexpr const char* counting_pipeline = R"(name: counting
steps:
  count:
    run: |
      at=0
      if [ -e "$MLPIPE_CHECKPOINT_DIR/at" ]; then at=$(cat "$MLPIPE_CHECKPOINT_DIR/at"); fi
      echo "from $at" >> @SIDE@/runs
      trap 'exit 143' TERM
      while [ $at -lt 5 ]; do
        at=$((at + 1))
        echo $at > "$MLPIPE_CHECKPOINT_DIR/at"
        if [ $at = 3 ] && [ ! -e @SIDE@/ended ]; then touch @SIDE@/ended; @END@; fi
        sleep 0.02
      done
      cat "$MLPIPE_CHECKPOINT_DIR/at" > out
    outs: [out]
    retry: { limit: @LIMIT@, when: [killed], backoff: 10ms }
)";

constexpr const char* wait_for_the_end = "while true; do sleep 0.02; done";

class Checkpoints : public testing::Test {
 protected:
  void count(const std::string& end, const std::string& retries = "0") const {
    project_.pipeline(counting_pipeline);
    project_.replace("pipeline.yaml", "@END@", end);
    project_.replace("pipeline.yaml", "@LIMIT@", retries);
  }
  std::vector<std::string> began() const { return project_.lines("runs"); }
  bool has_checkpoints() const {
    const fs::path folder = project_.store() / "checkpoints";
    return fs::exists(folder) && !fs::is_empty(folder);
  }

  Project project_;
  const std::vector<std::string> resumed_ = {"from 0", "from 3"};
};

TEST_F(Checkpoints, ARetryGoesOnWhereAKilledAttemptWas) {
  count("kill -9 $$", "1");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(began(), resumed_);
  EXPECT_FALSE(has_checkpoints()) << "a result is there";
}

TEST_F(Checkpoints, AProgramThatWasToldToStopByAnybodyCountsAsKilled) {
  count("kill -TERM $$", "1");
  const Captured captured = project_.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "retry 1 of 1 in 10 ms: exit status 143"));
  EXPECT_EQ(began(), resumed_);
}

TEST_F(Checkpoints, TheNextRunGoesOnAfterOneThatFailed) {
  count("kill -9 $$");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 1));
  EXPECT_TRUE(has_checkpoints());
  EXPECT_TRUE(exits(project_.mlpipe({"store", "gc"}), 0));
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(began(), resumed_);
  EXPECT_FALSE(has_checkpoints());
}

TEST_F(Checkpoints, TheNextRunGoesOnAfterCtrlC) {
  count(wait_for_the_end);
  Background first = project_.start({"run"});
  project_.wait_for_side("ended");
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  EXPECT_TRUE(has_checkpoints());
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(began(), resumed_);
}

TEST_F(Checkpoints, ATimeoutLeavesThemForTheRetry) {
  count(wait_for_the_end, "1");
  project_.replace("pipeline.yaml", "when: [killed]", "when: [timeout]");
  project_.replace("pipeline.yaml", "    retry:", "    timeout: 2s\n    retry:");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(began(), resumed_);
}

TEST_F(Checkpoints, AForcedResultStartsFromNothing) {
  count("kill -9 $$");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 1));
  EXPECT_TRUE(exits(project_.mlpipe({"run", "--force", "count"}), 0));
  EXPECT_EQ(began(), (std::vector<std::string>{"from 0", "from 0"}));
  EXPECT_TRUE(exits(project_.mlpipe({"run", "--force", "count"}), 0));
  EXPECT_EQ(began().size(), 3U);
  EXPECT_EQ(began().back(), "from 0") << "a result takes its checkpoints with it";
}

TEST_F(Checkpoints, EachOfSeveralResultsHasItsOwn) {
  count("kill -9 $$");
  project_.replace("pipeline.yaml", "    retry:", "    select: latest\n    retry:");
  project_.touch_side("ended");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  fs::remove(project_.side("ended"));
  project_.replace("pipeline.yaml", "select: latest", "select: some(2)");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 1));
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(began(), (std::vector<std::string>{"from 0", "from 0", "from 3"}));
}

TEST_F(Checkpoints, AnotherKeyHasOthers) {
  count("kill -9 $$");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 1));
  project_.replace("pipeline.yaml", "-lt 5", "-lt 4");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(began(), (std::vector<std::string>{"from 0", "from 0"}));
  EXPECT_TRUE(has_checkpoints()) << "of the first";
}

}  // namespace
}  // namespace mlpipe
