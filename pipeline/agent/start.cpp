#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <random>
#include <thread>

#include "pipeline/agent/control.hpp"
#include "pipeline/agent/job.hpp"
#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/agent/spawn_request.hpp"
#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

// Gives the agent that the command starts the values of secret variables, in a file in memory that must stay
// open until it has started.
FileDescriptor hand_over(const std::map<std::string, std::string>& secrets, Command& command) {
  if (secrets.empty()) {
    return {};
  }
  FileDescriptor file = memory_file(join_variables(secrets));
  const std::vector<std::string> option = {"--secrets-fd", std::to_string(file.get())};
  command.arguments.insert(command.arguments.end() - 1, option.begin(), option.end());
  command.inherited.push_back(file.get());
  return file;
}

// Without the terminal: out of reach of its Ctrl-C and of its end.
Process start_in_background(Command command) {
  const FileDescriptor nothing = open_file("/dev/null", O_WRONLY);
  command.standard_output = nothing.get();
  command.standard_error = nothing.get();
  command.new_session = true;
  return Process::start(command);
}

}  // namespace

void start_agent(const fs::path& agent, const fs::path& job_directory, FileLock lock,
                 const std::map<std::string, std::string>& secrets) {
  Command command;
  command.arguments = {agent.string(), "--detach", "--lock-fd", std::to_string(lock.descriptor()),
                       fs::absolute(job_directory).string()};
  command.inherited = {lock.descriptor()};
  const FileDescriptor secrets_file = hand_over(secrets, command);
  command.new_session = true;  // so that a Ctrl-C in the terminal does not end it before it has detached
  const Captured captured = run_and_capture(command);
  if (!captured.ending.succeeded()) {
    throw Error(fmt::format("starting {} for {}: {}", agent.string(), job_directory.string(),
                            captured.error.empty() ? describe(captured.ending) : trim(captured.error)));
  }
}

void AgentSpawner::start_spawner() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("making a socket");
  }
  requests_ = FileDescriptor(ends[0]);
  const FileDescriptor other_end(ends[1]);
  Command command;
  command.arguments = {agent_.string(), "--spawner-fd", std::to_string(other_end.get()),
                       fs::absolute(store_).string()};
  command.inherited = {other_end.get()};
  command.open_files = open_files_;
  spawner_ = start_in_background(std::move(command));
}

FileDescriptor AgentSpawner::start(const fs::path& job_directory, const FileLock& lock,
                                   const std::map<std::string, std::string>& secrets) {
  if (!spawner_ || spawner_->poll()) {
    start_spawner();
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  FileDescriptor ended(ends[0]);
  const FileDescriptor held(ends[1]);  // by the agent and its guard, as long as they live
  const FileDescriptor log = open_file(job_directory / "log", O_WRONLY | O_CREAT | O_APPEND, 0644);
  const FileDescriptor values = secrets.empty() ? FileDescriptor() : memory_file(join_variables(secrets));
  crash_point("start an agent");
  send_spawn_request(requests_.get(), fs::absolute(job_directory), lock.descriptor(), held.get(), log.get(),
                     values ? std::optional(values.get()) : std::nullopt);
  crash_point("started an agent");
  return ended;
}

Process start_removal(const fs::path& agent, const fs::path& trash) {
  Command command;
  command.arguments = {agent.string(), "--remove-trash", fs::absolute(trash).string()};
  return start_in_background(std::move(command));
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
