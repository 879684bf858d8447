#include "pipeline/exec/runner.hpp"

namespace mlpipe {

FileDescriptor LocalRunner::start(const PreparedJob& job, const FileLock& lock) {
  return agents_.start(job.directory, lock, job.secrets);
}

void LocalRunner::cancel(const PreparedJob& job) {
  cancel_job(job.directory);
}

}  // namespace mlpipe
