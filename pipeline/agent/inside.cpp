#include <fcntl.h>
#include <unistd.h>

#include "pipeline/agent/memory_kills.hpp"
#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/agent/supervise.hpp"

namespace mlpipe {
namespace {

// The image says what its programs need (PATH, where libraries are); the job's own comes before that.
Job within_image(Job job) {
  job.environment.merge(own_environment());
  return job;
}

Ending run_within_limits(Agent& agent, const Job& job) {
  Ending ending = run_job(agent, job);
  if (!ending.succeeded() && memory_kills().value_or(0) > 0) {
    ending.out_of_memory = true;
    ending.memory_limit = job.container ? job.container->run.memory : 0;
  }
  return ending;
}

}  // namespace

int run_inside(const std::filesystem::path& job_directory) {
  block_signals();
  std::map<std::string, std::string> secrets = read_variables(STDIN_FILENO);
  Agent agent(job_directory, std::move(secrets), ControlLines(FileDescriptor(STDIN_FILENO)));
  // The control of the agent outside: so this one also learns of its end when the engine does not tell.
  agent.events.watch(FileDescriptor(
      ::open((job_directory / "control").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)));  // or none
  write_file_atomically(job_directory / "begun", "", 0644, Durability::later);
  try {
    write_ending(job_directory, ending_of(agent, [&] {
                   return run_within_limits(agent, within_image(read_job(job_directory)));
                 }));
  } catch (const Abandoned&) {  // the end of the first process is that of all others
    return 1;
  }
  return 0;
}

}  // namespace mlpipe
