#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

struct Limits {
  rlim_t file = RLIM_INFINITY;
  rlim_t memory = RLIM_INFINITY;
};

// The real program, in a folder of its own.
class ProgramTest : public ::testing::Test {
 protected:
  struct Outcome {
    int status = -1;  // as a shell counts: 128 + signal when a signal ended it
    std::string out;
    std::string err;
  };

  pid_t start(const std::vector<std::string>& arguments,
              const std::map<std::string, std::string>& environment = {}, const Limits& limits = {}) {
    std::vector<char*> argv = {const_cast<char*>(MLPIPE_TRAIN)};
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    const FileDescriptor out = open_file(path("out"), O_WRONLY | O_CREAT | O_TRUNC);
    const FileDescriptor err = open_file(path("err"), O_WRONLY | O_CREAT | O_TRUNC);
    const pid_t child = ::fork();
    if (child == 0) {
      for (const auto& [name, value] : environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
      }
      const rlimit file = {limits.file, limits.file};
      const rlimit memory = {limits.memory, limits.memory};
      ::signal(SIGXFSZ, SIG_IGN);  // a file that would be larger fails to be written instead
      ::setrlimit(RLIMIT_FSIZE, &file);
      ::setrlimit(RLIMIT_AS, &memory);
      if (::dup2(out.get(), 1) >= 0 && ::dup2(err.get(), 2) >= 0 && ::chdir(folder_.path().c_str()) == 0) {
        ::execv(MLPIPE_TRAIN, argv.data());
      }
      ::_exit(127);
    }
    return child;
  }

  Outcome finish(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(path("out")),
            read_file(path("err"))};
  }

  Outcome run(const std::vector<std::string>& arguments,
              const std::map<std::string, std::string>& environment = {}, const Limits& limits = {}) {
    return finish(start(arguments, environment, limits));
  }

  std::vector<std::string> with_config(const std::string& config) {
    write_file_atomically(path("train.yaml"), config);
    return {"--config", "train.yaml", "--name", "iris",      "--model",
            "model",    "--report",   "report", "--threads", "1"};
  }

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

  static constexpr const char* data =
      "data: { csv: " MLPIPE_EXAMPLES "/iris/data/iris.csv, target: species }\nnetwork: [linear: auto]\n";

 private:
  TemporaryDirectory folder_;
};

TEST_F(ProgramTest, TrainsReportsProgressAndWritesEverything) {
  const Outcome outcome =
      run(with_config(std::string(data) + "epochs: 3\n"), {{"MLPIPE_PROGRESS", "progress"}});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("epoch 3/3  loss "), std::string::npos) << outcome.out;
  EXPECT_TRUE(std::filesystem::exists(path("model/model.yaml")));
  EXPECT_TRUE(std::filesystem::exists(path("model/weights.safetensors")));
  EXPECT_TRUE(std::filesystem::exists(path("report/metrics.json")));
  const auto lines = split(trim(read_file(path("progress"))), '\n');
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(lines[1])["done"], 2);
  EXPECT_EQ(nlohmann::json::parse(lines[1])["total"], 3);
}

TEST_F(ProgramTest, SaysItsVersionAndItsOptions) {
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_TRUE(version.out.starts_with("mlpipe-train ")) << version.out;
  EXPECT_NE(version.out.find("libtorch "), std::string::npos);
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_NE(help.out.find("--report"), std::string::npos);
}

TEST_F(ProgramTest, AWrongRequestConfigOrDataExitsWithTwo) {
  EXPECT_EQ(run({}).status, 2);
  EXPECT_EQ(run({"--config", "none.yaml", "--name", "x", "--model", "m", "--report", "r"}).status, 2);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "train.yaml"},
      {"data: none.csv\n", "the key 'network' is missing"},
      {std::string(data) + "epoch: 3\n", "did you mean 'epochs'?"},
      {"data: { csv: none.csv, target: x }\nnetwork: [linear: auto]\n", "none.csv: there is no such file"},
  };
  for (const auto& [config, expected] : cases) {
    const Outcome outcome = run(with_config(config));
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << outcome.err;
  }
}

TEST_F(ProgramTest, AFailedTrainingExitsWithOne) {
  const Outcome outcome =
      run(with_config(
          "data: { csv: " MLPIPE_EXAMPLES "/iris/data/iris.csv, target: species }\n"
          "network: [linear: 64, linear: 64, linear: auto]\noptimizer: { sgd: { lr: 1000 } }\nepochs: 50\n"));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("the loss is"), std::string::npos) << outcome.err;
}

TEST_F(ProgramTest, SigtermEndsItWith143) {
  const pid_t child = start(with_config(std::string(data) + "epochs: 1000000\n"));
  while (read_file(path("out")).find("epoch 1/") == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::kill(child, 0), 0);
  }
  ::kill(child, SIGTERM);
  const Outcome outcome = finish(child);
  EXPECT_EQ(outcome.status, 143);
  EXPECT_NE(outcome.err.find("stopped before the training ended"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("model/model.yaml")));
}

// A training with all that is random in one: order, dropout, augmentation.
constexpr const char* random_training =
    "data: { csv: " MLPIPE_EXAMPLES
    "/digits/data/digits.csv, target: digit, shape: [1, 8, 8], augment: { crop: 1 } }\n"
    "network: [conv: 8, batchnorm, relu, dropout: 0.25, flatten, linear: 32, relu, dropout: 0.5, linear: "
    "auto]\n"
    "optimizer: { adamw: { lr: 0.003 } }\nschedule: { cosine: { warmup: 0.5 } }\nselect: best\n"
    "checkpoint: { every: 1ms }\nepochs: 4\nthreads: 1\n";

class InterruptedTest : public ProgramTest {
 protected:
  void SetUp() override {
    const Outcome outcome = run(with_config(random_training));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    std::filesystem::rename(path("model"), path("whole-model"));
    std::filesystem::rename(path("report"), path("whole-report"));
  }

  // Starts it, waits until a checkpoint in the middle of an epoch follows the one that is there, and sends
  // the signal.
  Outcome interrupt(int signal) {
    const nlohmann::json before = checkpoint();
    const pid_t child = start(with_config(random_training), environment());
    for (nlohmann::json now; !(now.is_object() && now != before && now["state"]["batch"] > 3);
         now = checkpoint()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_EQ(::kill(child, 0), 0);
    }
    ::kill(child, signal);
    return finish(child);
  }

  nlohmann::json checkpoint() {
    return nlohmann::json::parse(read_file_if_exists(path("checkpoints/checkpoint.json")).value_or("null"));
  }

  std::map<std::string, std::string> environment() {
    return {{"MLPIPE_CHECKPOINT_DIR", path("checkpoints").string()}};
  }

  void expect_ends_like_the_whole_one() {
    const Outcome outcome = run(with_config(random_training), environment());
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("goes on after epoch"), std::string::npos) << outcome.out;
    for (const char* file : {"model/weights.safetensors", "model/model.yaml", "report/metrics.json",
                             "report/metrics.jsonl", "report/held-out.jsonl"}) {
      EXPECT_EQ(read_file(path(file)), read_file(path(std::string("whole-") + file))) << file;
    }
    EXPECT_TRUE(std::filesystem::is_empty(path("checkpoints")));
  }
};

TEST_F(InterruptedTest, GoesOnBitForBitAfterSigterm) {
  const Outcome first = interrupt(SIGTERM);
  EXPECT_EQ(first.status, 143);
  EXPECT_NE(first.err.find("run it again to go on"), std::string::npos) << first.err;
  EXPECT_EQ(interrupt(SIGTERM).status, 143);
  expect_ends_like_the_whole_one();
}

TEST_F(InterruptedTest, GoesOnBitForBitAfterAKill) {
  EXPECT_EQ(interrupt(SIGKILL).status, 137);
  expect_ends_like_the_whole_one();
}

TEST_F(InterruptedTest, AFullDiskLeavesTheCheckpointBefore) {
  EXPECT_EQ(interrupt(SIGTERM).status, 143);
  const nlohmann::json before = checkpoint();
  // No file may become as large as a checkpoint: that fails like a full disk.
  const pid_t child = start(with_config(random_training), environment(), Limits{.file = 20'000});
  while (read_file(path("out")).find("no checkpoint was written") == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_EQ(::kill(child, 0), 0);
  }
  ::kill(child, SIGTERM);
  EXPECT_EQ(finish(child).status, 143);
  EXPECT_EQ(checkpoint(), before);
  expect_ends_like_the_whole_one();
}

TEST_F(InterruptedTest, AForeignCheckpointIsRefused) {
  EXPECT_EQ(interrupt(SIGTERM).status, 143);
  const Outcome outcome = run(with_config(std::string(random_training) + "seed: 8\n"), environment());
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("another training"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("remove "), std::string::npos) << outcome.err;
}

TEST_F(ProgramTest, WhatIsNotThereIsSaid) {
  const Outcome device = run(with_config(std::string(data) + "device: cuda:99\n"));
  EXPECT_EQ(device.status, 2);
  EXPECT_NE(device.err.find("cuda:99"), std::string::npos) << device.err;
  EXPECT_NE(device.err.find("device: auto"), std::string::npos) << device.err;
  const Outcome weights = run(with_config(std::string(data) + "class-weights: [1, 2]\n"));
  EXPECT_EQ(weights.status, 2);
  EXPECT_NE(weights.err.find("2 numbers, and the data has 3 labels"), std::string::npos) << weights.err;
  const Outcome rank = run(with_config(data), {{"RANK", "2"}, {"WORLD_SIZE", "2"}});
  EXPECT_EQ(rank.status, 2);
  EXPECT_NE(rank.err.find("RANK is '2'"), std::string::npos) << rank.err;
}

TEST_F(ProgramTest, MemoryThatDoesNotSufficeIsSaidWithTheBatch) {
  const Outcome outcome =
      run(with_config("data: { csv: " MLPIPE_EXAMPLES "/iris/data/iris.csv, target: species }\n"
                      "network: [linear: 40000, linear: 40000, linear: auto]\n"),
          {}, Limits{.memory = rlim_t{6} << 30U});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("memory does not suffice for a batch of 32"), std::string::npos) << outcome.err;
}

class GroupTest : public ProgramTest {
 protected:
  static constexpr const char* config = "data: { csv: " MLPIPE_EXAMPLES
                                        "/digits/data/digits.csv, target: digit, shape: [1, 8, 8] }\n"
                                        "network: [conv: 8, relu, flatten, linear: auto]\nbatch: "
                                        "48\noptimizer: { sgd: { lr: 0.05, momentum: 0.9 } }\n"
                                        "class-weights: balanced\nclip: 1\nthreads: 1\n";

  // A port that was free a moment ago.
  static std::string free_port() {
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return std::to_string(ntohs(address.sin_port));
  }

  std::vector<pid_t> start_two(const std::string& epochs) {
    const std::string port = free_port();
    std::vector<pid_t> children;
    for (const char* rank : {"1", "0"}) {  // the first writes to the file `out` that is looked at
      children.push_back(
          start(with_config(config + epochs), {{"RANK", rank},
                                               {"WORLD_SIZE", "2"},
                                               {"MASTER_ADDR", "127.0.0.1"},
                                               {"MASTER_PORT", port},
                                               {"MLPIPE_CHECKPOINT_DIR", path("checkpoints").string()}}));
    }
    return children;
  }

  std::vector<double> losses() {
    std::vector<double> losses;
    for (const std::string& line : split(trim(read_file(path("report/metrics.jsonl"))), '\n')) {
      const auto json = nlohmann::json::parse(line);
      if (json.contains("batch_loss")) {
        losses.push_back(json["batch_loss"]);
      }
    }
    return losses;
  }
};

TEST_F(GroupTest, TwoProcessesGiveTheLossCurveOfOne) {
  ASSERT_EQ(run(with_config(std::string(config) + "epochs: 3\n")).status, 0);
  const std::vector<double> alone = losses();
  std::filesystem::remove_all(path("report"));
  for (const pid_t child : start_two("epochs: 3\n")) {
    const Outcome outcome = finish(child);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  const std::vector<double> together = losses();
  ASSERT_EQ(alone.size(), 90U);  // 1438 examples: the last batch of an epoch is smaller than the others
  ASSERT_EQ(together.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    ASSERT_NEAR(together[i], alone[i], 1e-4) << i;
  }
}

TEST_F(GroupTest, OneThatIsAskedToStopStopsAll) {
  const std::vector<pid_t> children = start_two("epochs: 100000\n");
  while (read_file(path("out")).find("epoch 1/") == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::kill(children[1], 0), 0);
  }
  ::kill(children[0], SIGTERM);
  for (const pid_t child : children) {
    EXPECT_EQ(finish(child).status, 143);
  }
  EXPECT_TRUE(std::filesystem::exists(path("checkpoints/checkpoint.json")));
}

}  // namespace
}  // namespace mlpipe
