#include "pipeline/exec/runner.hpp"

namespace mlpipe {

FileDescriptor LocalRunner::start(const PreparedJob& job, const FileLock& lock) {
  std::erase_if(agents_, [](Process& agent) { return agent.poll().has_value(); });
  AttachedAgent started = start_attached_agent(agent_, job.directory, lock, job.secrets);
  agents_.push_back(std::move(started.process));
  return std::move(started.ended);
}

void LocalRunner::cancel(const PreparedJob& job) {
  cancel_job(job.directory);
}

}  // namespace mlpipe
