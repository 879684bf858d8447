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

// The digits example's training without what follows it; `more` are further keys of the step.
void write_training(const Project& project, const std::string& more) {
  const fs::path digits = fs::path(MLPIPE_EXAMPLES) / "digits";
  project.write("data/digits.csv", read_file(digits / "data" / "digits.csv"));
  const std::string text = read_file(digits / "pipeline.yaml");
  project.pipeline(text.substr(0, text.find("\n  check:")) + "\n" + more);
}

std::string model_of(const Json& run) {
  return digest_of_output(run, "train", "model");
}

TEST(TrainingWithCheckpoints, GoesOnAfterCtrlCAndEndsInTheSameModel) {
  Project whole;
  write_training(whole, "    resources: { cpu: 1 }\n");
  const Arguments run = {"run", "--json", "--set", "epochs=8"};
  const std::string wanted = model_of(whole.json(run));

  Project project;
  write_training(project, "    resources: { cpu: 1 }\n");
  Background first = project.start(run);
  wait_until("it has trained two epochs",
             [&] { return first.error().find("epoch 2/8") != std::string::npos; });
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  EXPECT_FALSE(fs::is_empty(project.store() / "checkpoints"));
  const Captured second = project.mlpipe(run);
  ASSERT_TRUE(exits(second, 0));
  EXPECT_TRUE(has(second.error, "goes on after epoch "));
  EXPECT_TRUE(has_not(second.error, "epoch 1/8"));
  EXPECT_EQ(model_of(Json::parse(second.output)), wanted);
  EXPECT_TRUE(fs::is_empty(project.store() / "checkpoints"));
}

TEST(TrainingWithCheckpoints, GoesOnInARetryAfterItWasKilled) {
  Project project;
  write_training(project, "    retry: { limit: 1, when: [killed], backoff: 10ms }\n");
  Background run = project.start({"run", "--set", "epochs=8"});
  wait_until("it has trained two epochs", [&] { return run.error().find("epoch 2/8") != std::string::npos; });
  const auto job = fs::directory_iterator(project.store() / "jobs")->path();
  bool killed = false;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string line = read_file_if_exists(entry.path() / "cmdline").value_or("");
    std::error_code error;
    if (line.find("mlpipe-train") != std::string::npos &&
        fs::read_symlink(entry.path() / "cwd", error) == job / "work") {
      ::kill(std::stoi(entry.path().filename()), SIGKILL);
      killed = true;
    }
  }
  ASSERT_TRUE(killed);
  const Captured captured = run.wait();
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "train  retry 1 of 1 in 10 ms: killed by signal 9"));
  EXPECT_TRUE(has(captured.error, "goes on after epoch "));
}

TEST(TrainingWithCheckpoints, TwoProcessesTrainTogetherAndGoOn) {
  Project project;
  write_training(project, "    processes: 2\n");
  const Arguments arguments = {"run", "--json", "--set", "epochs=6"};
  Background first = project.start(arguments);
  wait_until("they have trained two epochs",
             [&] { return first.error().find("epoch 2/6") != std::string::npos; });
  first.signal(SIGINT);
  EXPECT_TRUE(exits(first.wait(), 130));
  const Captured second = project.mlpipe(arguments);
  ASSERT_TRUE(exits(second, 0));
  EXPECT_TRUE(has(second.error, "[0] "));
  EXPECT_TRUE(has(second.error, "goes on after epoch "));
  EXPECT_TRUE(has(second.error, "2 processes"));
}

}  // namespace
}  // namespace mlpipe
