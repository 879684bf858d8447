#include <fcntl.h>
#include <gtest/gtest.h>
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

// The real program, in a folder of its own.
class ProgramTest : public ::testing::Test {
 protected:
  struct Outcome {
    int status = -1;  // as a shell counts: 128 + signal when a signal ended it
    std::string out;
    std::string err;
  };

  pid_t start(const std::vector<std::string>& arguments,
              const std::map<std::string, std::string>& environment = {}) {
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
              const std::map<std::string, std::string>& environment = {}) {
    return finish(start(arguments, environment));
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

}  // namespace
}  // namespace mlpipe
