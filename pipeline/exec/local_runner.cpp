#include "pipeline/exec/runner.hpp"

namespace mlpipe {

void LocalRunner::start(const PreparedJob& job, FileLock lock) {
  start_agent(agent_, job.directory, std::move(lock), job.secrets);
}

FileLock LocalRunner::wait(const PreparedJob& job) {
  return FileLock::wait(job.lock);
}

void LocalRunner::cancel(const PreparedJob& job) {
  cancel_job(job.directory);
}

}  // namespace mlpipe
