#pragma once

#include <memory>

#include "pipeline/exec/runner.hpp"

namespace mlpipe {

// Has each job run where it is to run: in a cluster, or by `here`. What a pipeline does not use need not be
// there.
class RunnerByPlace : public Runner {
 public:
  RunnerByPlace(std::unique_ptr<Runner> here, std::unique_ptr<Runner> cluster)
      : here_(std::move(here)), cluster_(std::move(cluster)) {}

  FileDescriptor start(const PreparedJob& job, const FileLock& lock) override {
    return runner_of(job).start(job, lock);
  }
  void cancel(const PreparedJob& job) override { runner_of(job).cancel(job); }

 private:
  Runner& runner_of(const PreparedJob& job) const {
    return job.place == RunsOn::kubernetes ? *cluster_ : *here_;
  }

  std::unique_ptr<Runner> here_;
  std::unique_ptr<Runner> cluster_;  // null: no step runs in one
};

}  // namespace mlpipe
