#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/spec/rules.hpp"

namespace mlpipe {

// A job's folder, ready to run: its work directory holds what the step declares, job.json says what runs.
struct PreparedJob {
  std::filesystem::path directory;
  std::filesystem::path lock;                       // the file whose lock is held while the job runs
  std::map<std::string, std::string> secrets = {};  // values of its secret variables; in no file
  RunsOn place = RunsOn::local;
};

// Runs jobs somewhere. One conformance suite runs over all of them.
class Runner {
 public:
  virtual ~Runner() = default;

  // Starts the job. Whoever supervises it holds `lock` too, until it has ended and exit.json is there; the
  // caller keeps its own hold to collect the result. The descriptor comes to its end (poll: POLLHUP) once all
  // of the job is gone. Throws Error when it cannot be started.
  virtual FileDescriptor start(const PreparedJob& job, const FileLock& lock) = 0;
  // Asks a running job to end; a job that has ended is left alone. One whose supervisor is just starting may
  // miss it: ask again.
  virtual void cancel(const PreparedJob& job) = 0;
};

// Runs jobs as processes of this machine, each under an mlpipe-agent that outlives this process.
class LocalRunner : public Runner {
 public:
  // `agent` is the path of mlpipe-agent; the rest as AgentSpawner has it.
  LocalRunner(std::filesystem::path agent, std::filesystem::path store,
              std::optional<rlim_t> open_files = std::nullopt)
      : agents_(std::move(agent), std::move(store), open_files) {}
  FileDescriptor start(const PreparedJob& job, const FileLock& lock) override;
  void cancel(const PreparedJob& job) override;

 private:
  AgentSpawner agents_;
};

}  // namespace mlpipe
