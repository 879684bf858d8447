#include <fmt/format.h>

#include <array>
#include <random>
#include <thread>

#include "pipeline/agent/control.hpp"
#include "pipeline/agent/job.hpp"
#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;

void start_agent(const fs::path& agent, const fs::path& job_directory, FileLock lock,
                 const std::map<std::string, std::string>& secrets) {
  Command command;
  command.arguments = {agent.string(), "--detach", "--lock-fd", std::to_string(lock.descriptor()),
                       fs::absolute(job_directory).string()};
  command.inherited = {lock.descriptor()};
  const FileDescriptor secrets_file =
      secrets.empty() ? FileDescriptor() : memory_file(join_variables(secrets));
  if (secrets_file) {
    const std::vector<std::string> option = {"--secrets-fd", std::to_string(secrets_file.get())};
    command.arguments.insert(command.arguments.end() - 1, option.begin(), option.end());
    command.inherited.push_back(secrets_file.get());
  }
  command.new_session = true;  // so that a Ctrl-C in the terminal does not end it before it has detached
  const Captured captured = run_and_capture(command);
  if (!captured.ending.succeeded()) {
    throw Error(fmt::format("starting {} for {}: {}", agent.string(), job_directory.string(),
                            captured.error.empty() ? describe(captured.ending) : trim(captured.error)));
  }
}

bool cancel_job(const fs::path& job_directory) {
  return send_control_line(job_directory, "cancel");
}

Replacement replace_service(const fs::path& job_directory) {
  std::random_device random;
  const std::string request = fmt::format("{:08x}{:08x}", random(), random());
  if (!send_control_line(job_directory, "replace " + request)) {
    throw Error(fmt::format("no agent runs in {}", job_directory.string()), "start the service first");
  }
  while (true) {  // the agent bounds the time
    const bool there = agent_is_there(job_directory);
    for (const ReplacementAnswer& answer : read_replacements(job_directory)) {
      if (answer.request == request) {
        return answer.outcome;
      }
    }
    if (!there) {
      throw Error(fmt::format("the agent in {} ended while it replaced its program", job_directory.string()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace mlpipe
