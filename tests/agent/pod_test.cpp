// mlpipe-agent as the first process of a job's container in a pod.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/agent/log_writer.hpp"
#include "pipeline/base/text.hpp"
#include "tests/agent/agent_fixture.hpp"

namespace mlpipe {
namespace {

class PodTest : public testing::Test {
 protected:
  PodTest() { std::filesystem::create_directory(directory() / "work"); }
  ~PodTest() override {
    if (agent_ && !agent_->poll()) {
      agent_->send_signal(SIGTERM);
      agent_->wait();
    }
  }

  std::filesystem::path directory() const { return folder_.path(); }
  Job shell(const std::string& script) const {
    Job job;
    job.arguments = {"/bin/sh", "-c", script};
    job.environment = {{"PATH", "/usr/bin:/bin"}};
    job.work_directory = directory() / "work";
    job.grace = std::chrono::seconds(20);
    return job;
  }

  void start(const Job& job, Environment environment = {}) {
    write_job(directory(), job);
    output_ = memory_file("");
    Command command;
    command.arguments = {MLPIPE_AGENT, "--pod", directory().string()};
    command.environment = std::move(environment);
    command.standard_output = command.standard_error = output_.get();
    command.signal_when_parent_ends = SIGKILL;
    agent_ = Process::start(command);
  }
  int wait() { return agent_->wait().exit_code; }
  int run(const Job& job, Environment environment = {}) {
    start(job, std::move(environment));
    return wait();
  }
  Process& agent() { return *agent_; }

  std::string printed() const { return read_file(fmt::format("/proc/self/fd/{}", output_.get())); }
  std::string log() const { return read_file(directory() / "log"); }
  Ending ending() const { return read_ending(directory()).value(); }
  std::string line_of(const std::string& name) const {
    while (true) {
      const std::string text = read_file_if_exists(directory() / "work" / name).value_or("");
      if (const std::size_t end = text.find('\n'); end != std::string::npos) {
        return text.substr(0, end);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  TemporaryDirectory folder_;
  FileDescriptor output_;
  std::optional<Process> agent_;
};

TEST_F(PodTest, SaysByItsExitStatusHowTheJobEnded) {
  EXPECT_EQ(run(shell("echo one; echo two >&2; printf three")), 0);
  EXPECT_EQ(printed(), "one\ntwo\nthree\n");
  EXPECT_EQ(log(), printed());
  EXPECT_TRUE(ending().succeeded());
}

TEST_F(PodTest, FailsWithTheJob) {
  EXPECT_EQ(run(shell("echo ill; exit 7")), 1);
  EXPECT_EQ(ending().exit_code, 7);
  EXPECT_EQ(printed(), "ill\n");
}

TEST_F(PodTest, FailsWithAJobThatCannotBeStarted) {
  Job job = shell("");
  job.arguments = {"/no/such/program"};
  EXPECT_EQ(run(job), 1);
  EXPECT_NE(ending().failure, "");
}

TEST_F(PodTest, EndsTheJobInTime) {
  Job job = shell("sleep 600");
  job.timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(run(job), 1);
  EXPECT_TRUE(ending().timed_out);
}

TEST_F(PodTest, IsToldToEndFromOutside) {
  start(shell("trap 'echo saved; exit 0' TERM; echo up > up; while :; do sleep 0.01; done"));
  line_of("up");
  EXPECT_TRUE(std::filesystem::exists(directory() / "begun"));
  EXPECT_TRUE(FileLock::is_held(directory() / ".lock"));
  agent().send_signal(SIGTERM);
  EXPECT_EQ(wait(), 143);
  EXPECT_TRUE(ending().cancelled);
  EXPECT_TRUE(log().ends_with("saved\n")) << log();
  EXPECT_FALSE(FileLock::is_held(directory() / ".lock"));
}

TEST_F(PodTest, TakesWithItAllThatTheJobStarted) {
  start(shell("setsid sleep 600 & echo $! > pid; wait"));
  const pid_t left = std::stoi(line_of("pid"));
  agent().send_signal(SIGTERM);
  EXPECT_EQ(wait(), 143);
  EXPECT_NE(::kill(left, 0), 0);
}

TEST_F(PodTest, TellsOfProgressApartFromTheLog) {
  EXPECT_EQ(run(shell("echo before; echo '{\"done\": 1}' >> $MLPIPE_PROGRESS; sleep 0.6\n"
                      "printf '\\036{\"done\": 9}\\n'; echo '{\"done\": 2}' >> $MLPIPE_PROGRESS")),
            0);
  EXPECT_EQ(log(), "before\n\x1e{\"done\": 9}\n");
  std::vector<std::string> told;
  std::string rest;
  for (const std::string& line : split(printed(), '\n')) {
    if (line.starts_with(progress_mark)) {
      told.push_back(line.substr(1));
    } else {
      rest += line + "\n";
    }
  }
  EXPECT_EQ(told, (std::vector<std::string>{R"({"done": 1})", R"({"done": 2})"}));
  EXPECT_EQ(rest, "before\n?{\"done\": 9}\n\n");
  EXPECT_EQ(read_progress(directory())->done, 2);
}

TEST_F(PodTest, HidesSecretsThatItsEnvironmentHolds) {
  Job job = shell("echo \"it is $TOKEN.\"; test \"$TOKEN\" = hunter2 && echo \"$KEY\" | tail -n 2");
  job.secret_variables = {"TOKEN", "KEY"};
  EXPECT_EQ(run(job, {{"TOKEN", "hunter2"}, {"KEY", "BEGIN\nline one\nEND"}}), 0);
  EXPECT_EQ(log(), "it is ***.\n***\nEND\n");
  EXPECT_EQ(printed(), log());
}

TEST_F(PodTest, MissesASecretThatNobodyGave) {
  Job job = shell("true");
  job.secret_variables = {"TOKEN"};
  EXPECT_EQ(run(job), 1);
  EXPECT_NE(ending().failure.find("the secret for TOKEN was not handed over"), std::string::npos);
}

TEST_F(PodTest, GivesTheImagesEnvironmentAndTheJobsOverIt) {
  Job job = shell("echo $OF_IMAGE $OF_BOTH");
  job.environment["OF_BOTH"] = "job";
  EXPECT_EQ(run(job, {{"OF_IMAGE", "image"}, {"OF_BOTH", "image"}}), 0);
  EXPECT_EQ(log(), "image job\n");
}

TEST_F(PodTest, RunsTheProcessesOfItsOwnNode) {
  Job job = shell(
      "echo $RANK $LOCAL_RANK $NODE_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR:$MASTER_PORT "
      "${MLPIPE_PROGRESS:-silent}");
  job.nodes = 3;
  job.processes = 2;
  EXPECT_EQ(run(job, {{"MLPIPE_NODES", "3"},
                      {"MLPIPE_MASTER_ADDR", "train-0-0.train-0"},
                      {"JOB_COMPLETION_INDEX", "1"}}),
            0);
  std::vector<std::string> lines = split(trim(log()), '\n');
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (std::vector<std::string>{"[2] 2 0 1 6 2 train-0-0.train-0:29500 silent",
                                             "[3] 3 1 1 6 2 train-0-0.train-0:29500 silent"}));
}

TEST_F(PodTest, RefusesANodeThatIsNone) {
  for (const char* index : {"3", "-1", "x", ""}) {
    EXPECT_EQ(run(shell("true"),
                  {{"MLPIPE_NODES", "3"}, {"MLPIPE_MASTER_ADDR", "here"}, {"JOB_COMPLETION_INDEX", index}}),
              1);
    EXPECT_NE(ending().failure.find("JOB_COMPLETION_INDEX"), std::string::npos) << index;
  }
  EXPECT_EQ(run(shell("true"), {{"MLPIPE_NODES", "2"}, {"JOB_COMPLETION_INDEX", "0"}}), 1);
  EXPECT_NE(ending().failure.find("MLPIPE_MASTER_ADDR"), std::string::npos);
}

TEST_F(PodTest, RunsSeveralProcessesOfOneNodeAsALocalJobDoes) {
  Job job = shell("echo $RANK of $WORLD_SIZE at $MASTER_ADDR");
  job.processes = 2;
  EXPECT_EQ(run(job, {{"MLPIPE_NODES", "1"}}), 0);
  std::vector<std::string> lines = split(trim(log()), '\n');
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (std::vector<std::string>{"[0] 0 of 2 at 127.0.0.1", "[1] 1 of 2 at 127.0.0.1"}));
}

}  // namespace
}  // namespace mlpipe
