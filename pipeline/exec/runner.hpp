#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// A job's folder, ready to run: its work directory holds what the step declares, job.json says what runs.
struct PreparedJob {
  std::filesystem::path directory;
  std::filesystem::path lock;                       // the file whose lock is held while the job runs
  std::map<std::string, std::string> secrets = {};  // values of its secret variables; in no file
};

// Runs jobs somewhere. One conformance suite runs over all of them.
class Runner {
 public:
  virtual ~Runner() = default;

  // Starts the job; `lock` is held from now on by whoever supervises it, until it has ended and exit.json is
  // there. Throws Error when it cannot be started.
  virtual void start(const PreparedJob& job, FileLock lock) = 0;
  // Blocks until the job has ended, whoever started it, and returns the lock. May be called on any thread.
  virtual FileLock wait(const PreparedJob& job) = 0;
  // Asks a running job to end. May be called on any thread; a job that has ended is left alone.
  virtual void cancel(const PreparedJob& job) = 0;
};

// Runs jobs as processes of this machine, each under an mlpipe-agent that outlives this process.
class LocalRunner : public Runner {
 public:
  explicit LocalRunner(std::filesystem::path agent) : agent_(std::move(agent)) {}
  void start(const PreparedJob& job, FileLock lock) override;
  FileLock wait(const PreparedJob& job) override;
  void cancel(const PreparedJob& job) override;

 private:
  std::filesystem::path agent_;
};

}  // namespace mlpipe
