// mlpipe-agent [--detach] [--lock-fd N] [--secrets-fd N] JOB_DIRECTORY: runs the job that job.json describes
// and says in exit.json how it ended (see job.hpp). Or mlpipe-agent --spawner-fd N STORE: see spawner.hpp;
// or mlpipe-agent --remove-trash FOLDER: see trash.hpp; or mlpipe-agent --inside JOB_DIRECTORY, in a job's
// container, and --pod JOB_DIRECTORY, in a job's pod: see supervise.hpp.
//
// For one job two processes: the agent, which runs the job, and its guard, which only waits. Should the agent
// be killed, the kernel kills the job's program; the guard adopts and kills what else is left. Both hold the
// lock.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <span>

#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/agent/spawner.hpp"
#include "pipeline/agent/supervise.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/trash.hpp"

namespace {

namespace fs = std::filesystem;
using mlpipe::UsageError;

struct Options {
  bool detach = false;
  bool inside = false;
  bool in_pod = false;
  mlpipe::FileDescriptor spawn_requests;  // then there is no job of its own, nor when there is
  fs::path trash;                         // to be removed
  fs::path job_directory;
  std::map<std::string, std::string> secrets;  // values of the job's secret variables
};

// An open descriptor that is not for the job.
int inherited_descriptor(std::string_view option, std::string_view number) {
  int descriptor = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), descriptor);
  if (error != std::errc() || end != number.data() + number.size() || descriptor < 3 ||
      ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) {
    throw UsageError(fmt::format("{} {}: no open descriptor", option, number));
  }
  return descriptor;
}

Options parse_options(std::span<char* const> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--detach") {
      options.detach = true;
    } else if (argument == "--lock-fd" && i + 1 < arguments.size()) {
      inherited_descriptor(argument, arguments[++i]);  // held by being open
    } else if (argument == "--secrets-fd" && i + 1 < arguments.size()) {
      const mlpipe::FileDescriptor file(inherited_descriptor(argument, arguments[++i]));
      options.secrets =
          mlpipe::split_variables(mlpipe::read_file(fmt::format("/proc/self/fd/{}", file.get())));
    } else if (argument == "--spawner-fd" && i + 1 < arguments.size()) {
      options.spawn_requests = mlpipe::FileDescriptor(inherited_descriptor(argument, arguments[++i]));
    } else if (argument == "--inside") {
      options.inside = true;
    } else if (argument == "--pod") {
      options.in_pod = true;
    } else if (argument == "--remove-trash" && i + 1 < arguments.size()) {
      options.trash = arguments[++i];
    } else if (!argument.starts_with("-") && options.job_directory.empty()) {
      options.job_directory = fs::absolute(argument);
    } else {
      throw UsageError(
          "usage: mlpipe-agent [--detach] [--lock-fd N] [--secrets-fd N] JOB_DIRECTORY\n"
          "       mlpipe-agent --spawner-fd N STORE");
    }
  }
  if (options.trash.empty() && !fs::is_directory(options.job_directory)) {
    throw UsageError(fmt::format("no folder {}", options.job_directory.string()));
  }
  return options;
}

pid_t fork_or_throw() {
  const pid_t pid = ::fork();
  if (pid < 0) {
    mlpipe::throw_errno("starting the agent's process");
  }
  return pid;
}

// Waits for the agent, then ends what it left behind. Passes requests to end on.
int guard(pid_t agent, const mlpipe::Family& family, const sigset_t& signals) {
  while (true) {
    for (const mlpipe::Ended& ended : family.reap()) {
      if (ended.pid == agent) {
        mlpipe::end_everything(family);
        return ended.ending.succeeded() ? 0 : 1;
      }
    }
    const int signal = ::sigwaitinfo(&signals, nullptr);
    if (signal == SIGTERM || signal == SIGINT) {
      ::kill(agent, SIGTERM);
    }
  }
}

// Points the standard streams away from those of whoever started this.
void let_go_of_streams(int output) {
  const mlpipe::FileDescriptor nothing = mlpipe::open_file("/dev/null", O_RDWR);
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(output >= 0 ? output : nothing.get(), STDOUT_FILENO);
  ::dup2(output >= 0 ? output : nothing.get(), STDERR_FILENO);
}

// The guard and, as its child, the agent. With `ready_pipe`, a byte is written to it once the agent has taken
// over.
int run_guarded(const Options& options, mlpipe::FileDescriptor ready_pipe) {
  const bool detached = static_cast<bool>(ready_pipe);
  const mlpipe::Family family;
  const sigset_t signals = mlpipe::block_signals();
  const pid_t agent = fork_or_throw();
  if (agent > 0) {
    ready_pipe.close();
    if (detached) {
      let_go_of_streams(-1);
    }
    return guard(agent, family, signals);
  }
  ::setsid();
  mlpipe::supervise(options.job_directory, options.secrets, [&](const mlpipe::Agent& running) {
    if (detached) {
      let_go_of_streams(running.log.get());
      mlpipe::write_all(ready_pipe.get(), "!", "the pipe to the caller");
      ready_pipe.close();
    }
  });
  return 0;
}

// Returns in the process that was called once the agent has taken over, or could not.
int run_detached(const Options& options) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    mlpipe::throw_errno("making a pipe");
  }
  mlpipe::FileDescriptor reading(ends[0]);
  mlpipe::FileDescriptor writing(ends[1]);
  if (fork_or_throw() > 0) {
    writing.close();
    char byte = 0;
    return ::read(reading.get(), &byte, 1) == 1 ? 0 : 1;  // the agent has said on stderr what is wrong
  }
  reading.close();
  ::setsid();
  return run_guarded(options, std::move(writing));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Options options = parse_options(std::span(arguments, static_cast<std::size_t>(count)).subspan(1));
    ::signal(SIGPIPE, SIG_IGN);  // the caller may be gone
    if (options.spawn_requests) {
      mlpipe::serve_spawn_requests(std::move(options.spawn_requests));
      return 0;
    }
    if (!options.trash.empty()) {
      mlpipe::remove_abandoned_trash(options.trash);
      return 0;
    }
    if (options.inside) {
      return mlpipe::run_inside(options.job_directory);
    }
    if (options.in_pod) {
      return mlpipe::run_in_pod(options.job_directory);
    }
    return options.detach ? run_detached(options) : run_guarded(options, {});
  } catch (const UsageError& error) {
    fmt::print(stderr, "mlpipe-agent: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "mlpipe-agent: {}\n", error.what());
    return 1;
  }
}
