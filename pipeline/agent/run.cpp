#include "pipeline/agent/run.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <csignal>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace fs = std::filesystem;

Agent::Agent(const fs::path& directory, std::map<std::string, std::string> secret_values,
             ControlLines control)
    : job_directory(directory),
      secrets(std::move(secret_values)),
      log(open_file(directory / "log", O_WRONLY | O_CREAT | O_APPEND, 0644)),
      lines(log.get()),
      events(std::move(control)) {}

void Agent::note(std::string_view text) const {
  lines.write(fmt::format("mlpipe-agent: {}\n", text));
}

pid_t Agent::start_program(const Job& job, const Listeners& listeners, const Place& place) const {
  Command command;
  for (const std::string& argument : job.arguments) {
    command.arguments.push_back(listeners.fill_in(argument));
  }
  command.environment = job.environment;
  if (place.tells_progress) {
    command.environment->insert_or_assign("MLPIPE_PROGRESS", (job_directory / "progress").string());
  }
  for (const auto& [name, value] : place.environment) {
    command.environment->insert_or_assign(name, value);
  }
  for (const std::string& variable : job.secret_variables) {
    const auto value = secrets.find(variable);
    if (value == secrets.end()) {
      throw Error(fmt::format("the secret for {} was not handed over", variable));
    }
    command.environment->insert_or_assign(variable, value->second);
  }
  command.work_directory = job.work_directory;
  command.standard_output = place.output >= 0 ? place.output : log.get();
  command.standard_error = command.standard_output;
  command.inherited = listeners.descriptors();
  command.new_group = true;
  command.signal_when_parent_ends = SIGKILL;
  if (!job.ready_file.empty()) {
    fs::remove(job.ready_file);
  }
  return Process::start(command).pid();
}

}  // namespace mlpipe
