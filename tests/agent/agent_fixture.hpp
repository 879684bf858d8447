#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

// A job's folder and the real mlpipe-agent.
class AgentTest : public testing::Test {
 protected:
  AgentTest() { std::filesystem::create_directory(job_directory() / "work"); }
  ~AgentTest() override {
    if (cancel_job(job_directory())) {
      FileLock::wait(lock_path());
    }
  }

  static std::filesystem::path agent() { return MLPIPE_AGENT; }
  std::filesystem::path job_directory() const { return folder_.path(); }
  std::filesystem::path work(const std::string& name) const { return job_directory() / "work" / name; }
  std::filesystem::path lock_path() const { return job_directory() / "lock"; }

  Job shell(const std::string& script) const {
    Job job;
    job.arguments = {"/bin/sh", "-c", script};
    job.environment = {{"PATH", "/usr/bin:/bin"}};
    job.work_directory = job_directory() / "work";
    job.grace = std::chrono::seconds(20);
    return job;
  }

  void start(const Job& job) const {
    write_job(job_directory(), job);
    start();
  }
  void start() const { start_agent(agent(), job_directory(), FileLock::wait(lock_path())); }

  bool lock_is_free() const { return FileLock::try_lock(lock_path()).has_value(); }

  // Waits until the agent has let go of the lock.
  Ending ending() const {
    const FileLock lock = FileLock::wait(lock_path());
    const std::optional<Ending> ending = read_ending(job_directory());
    EXPECT_TRUE(ending.has_value());
    return ending.value_or(Ending{});
  }
  Ending run(const Job& job) const {
    start(job);
    return ending();
  }
  std::string log() const { return read_file(job_directory() / "log"); }

  // Waits until a file that the job writes holds a line, and returns its first.
  std::string line_of(const std::string& name) const {
    while (true) {
      const std::string text = read_file_if_exists(work(name)).value_or("");
      if (const std::size_t end = text.find('\n'); end != std::string::npos) {
        return text.substr(0, end);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  pid_t pid_of(const std::string& name) const { return std::stoi(line_of(name)); }

  static bool runs(pid_t pid) {
    const auto stat = read_file_if_exists("/proc/" + std::to_string(pid) + "/stat");
    return stat && stat->find(") Z ") == std::string::npos;
  }
  template <class Condition>
  static void wait_until(Condition condition) {
    while (!condition()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  TemporaryDirectory folder_;
};

}  // namespace mlpipe
