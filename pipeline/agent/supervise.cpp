#include "pipeline/agent/supervise.hpp"

#include <csignal>
#include <string_view>

#include "pipeline/base/crash_point.hpp"

namespace mlpipe {

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) {
    sigaddset(&signals, signal);
  }
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void end_everything(const Family& family) {
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);  // blocked by block_signals()
  const timespec pause{0, 20'000'000};
  while (family.reap(), !family.is_empty()) {
    family.kill_children();
    ::sigtimedwait(&child_ended, nullptr, &pause);
  }
}

Ending ending_of(Agent& agent, const std::function<Ending()>& run) {
  Ending ending;
  ending.started = std::chrono::system_clock::now();
  try {
    return run();
  } catch (const std::exception& error) {
    end_everything(agent.family);
    std::string_view reason = error.what();
    constexpr std::string_view doing = "starting ";  // describe() says so already
    reason.remove_prefix(reason.starts_with(doing) ? doing.size() : 0);
    ending.failure = reason;
    ending.finished = std::chrono::system_clock::now();
  }
  return ending;
}

void supervise(const std::filesystem::path& job_directory, const std::map<std::string, std::string>& secrets,
               const std::function<void(const Agent&)>& ready) {
  Agent agent(job_directory, secrets, ControlLines::of_fifo(job_directory));
  std::filesystem::remove(job_directory / "exit.json");  // of an earlier run in the same folder
  ready(agent);
  crash_point("start a job");
  const Ending ending = ending_of(agent, [&] {
    const Job job = read_job(job_directory);
    if (job.container) {
      return run_in_container(agent, job);
    }
    return job.keep_running ? run_service(agent, job) : run_job(agent, job);
  });
  crash_point("end a job");
  write_ending(job_directory, ending);
}

}  // namespace mlpipe
