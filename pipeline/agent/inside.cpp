#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "pipeline/agent/memory_kills.hpp"
#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/agent/supervise.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// The image says what its programs need (PATH, where libraries are); the job's own comes before that.
Job within_image(Job job) {
  job.environment.merge(own_environment());
  return job;
}

Ending run_within_limits(Agent& agent, const Job& job, std::uint64_t memory) {
  Ending ending = run_job(agent, job);
  if (!ending.succeeded() && memory_kills().value_or(0) > 0) {
    ending.out_of_memory = true;
    ending.memory_limit = memory;
  }
  return ending;
}

int number_from(const Environment& environment, const std::string& name, int least, int most) {
  const auto variable = environment.find(name);
  const auto number = variable == environment.end() ? std::nullopt : parse_integer(variable->second);
  if (!number || *number < least || *number > most) {
    throw Error(fmt::format("{} is no number from {} to {}", name, least, most));
  }
  return static_cast<int>(*number);
}

// Nothing in a job of one node.
std::optional<OwnNode> node_of(const Environment& environment) {
  constexpr int most_nodes = 100'000;
  if (!environment.contains("MLPIPE_NODES")) {
    return std::nullopt;
  }
  OwnNode node;
  node.nodes = number_from(environment, "MLPIPE_NODES", 1, most_nodes);
  if (node.nodes == 1) {
    return std::nullopt;
  }
  node.index = number_from(environment, "JOB_COMPLETION_INDEX", 0, node.nodes - 1);
  const auto address = environment.find("MLPIPE_MASTER_ADDR");
  if (address == environment.end() || address->second.empty()) {
    throw Error("MLPIPE_MASTER_ADDR does not say where the first node is");
  }
  node.master_address = address->second;
  return node;
}

// What the job's pod says beside job.json.
void take_from_environment(Agent& agent, const Job& job) {
  const Environment environment = own_environment();
  std::vector<std::string> values;
  for (const std::string& name : job.secret_variables) {
    if (const auto value = environment.find(name); value != environment.end()) {
      agent.secrets.insert(*value);
      values.push_back(value->second);
    }
  }
  agent.lines.echo_to(STDOUT_FILENO, values);
  agent.node = node_of(environment);
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
                   const Job job = within_image(read_job(job_directory));
                   return run_within_limits(agent, job, job.container ? job.container->run.memory : 0);
                 }));
  } catch (const Abandoned&) {  // the end of the first process is that of all others
    return 1;
  }
  return 0;
}

int run_in_pod(const std::filesystem::path& job_directory) {
  constexpr int terminated = 128 + SIGTERM;
  block_signals();
  const FileLock lock = FileLock::wait(job_directory / ".lock");
  Agent agent(job_directory, {}, ControlLines::of_fifo(job_directory));
  agent.progress.emplace(job_directory / "progress", STDOUT_FILENO);
  write_file_atomically(job_directory / "begun", "", 0644, Durability::later);
  const Ending ending = ending_of(agent, [&] {
    const Job job = read_job(job_directory);
    take_from_environment(agent, job);
    return run_within_limits(agent, within_image(job), memory_limit().value_or(0));
  });
  write_ending(job_directory, ending);
  return ending.cancelled ? terminated : ending.succeeded() ? 0 : 1;
}

}  // namespace mlpipe
