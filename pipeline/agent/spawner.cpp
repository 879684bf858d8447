#include "pipeline/agent/spawner.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <vector>

#include "pipeline/agent/secret_variables.hpp"
#include "pipeline/agent/spawn_request.hpp"
#include "pipeline/agent/supervise.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/open_files.hpp"

namespace mlpipe {
namespace {

constexpr int kill_interval_ms = 20;  // between looks for what killed agents left behind

class Spawner {
 public:
  explicit Spawner(FileDescriptor requests) : requests_(std::move(requests)) {
    signals_ = FileDescriptor(::signalfd(-1, &blocked_, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_) {
      throw_errno("waiting for signals");
    }
  }

  void run() {
    while (requests_ || !agents_.empty() || !killed_.empty()) {
      std::array<pollfd, 2> waiting = {pollfd{signals_.get(), POLLIN, 0},
                                       pollfd{requests_ ? requests_.get() : -1, POLLIN, 0}};
      const int patience = killed_.empty() ? -1 : kill_interval_ms;
      if (::poll(waiting.data(), waiting.size(), patience) < 0 && errno != EINTR) {
        throw_errno("waiting for jobs");
      }
      pass_signals_on();
      reap();
      if (waiting[1].revents != 0) {
        take_request();
      }
    }
  }

 private:
  void pass_signals_on() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo == SIGCHLD) {
        continue;
      }
      for (const auto& [pid, held] : agents_) {
        ::kill(pid, SIGTERM);
      }
    }
  }

  void reap() {
    for (const Ended& ended : family_.reap()) {
      const auto agent = agents_.find(ended.pid);
      if (agent == agents_.end()) {
        continue;
      }
      if (ended.ending.signal != 0) {  // one that ends by itself leaves nothing behind
        killed_.push_back(std::move(agent->second));
      }
      agents_.erase(agent);
    }
    if (!killed_.empty() && !kill_strays()) {
      killed_.clear();
    }
  }

  // What a killed agent supervised is a child of this process now. False when there is none.
  bool kill_strays() const {
    bool any = false;
    for (const pid_t child : family_.children()) {
      if (!agents_.contains(child)) {
        ::kill(child, SIGKILL);
        any = true;
      }
    }
    return any;
  }

  void take_request() {
    std::optional<SpawnRequest> request = receive_spawn_request(requests_.get());
    if (!request) {
      requests_.close();
      return;
    }
    const pid_t pid = ::fork();
    if (pid == 0) {
      become_agent(*std::move(request));
    }
    if (pid > 0) {
      agents_.emplace(pid, *std::move(request));
    } else {  // whoever asked sees that the job is lost, and reads why
      ::dprintf(request->log.get(), "mlpipe-agent: starting the agent's process: %s\n", ::strerror(errno));
    }
  }

  [[noreturn]] void become_agent(SpawnRequest request) {
    agents_.clear();  // the locks of others are not for this one to hold
    killed_.clear();
    requests_.close();
    signals_.close();
    open_files_.put_back();
    ::setsid();
    ::dup2(request.log.get(), STDOUT_FILENO);
    ::dup2(request.log.get(), STDERR_FILENO);
    request.log.close();
    int status = 0;
    try {
      std::map<std::string, std::string> secrets;
      if (request.secrets) {
        secrets = split_variables(read_file(fmt::format("/proc/self/fd/{}", request.secrets.get())));
        request.secrets.close();
      }
      supervise(request.job_directory, secrets, [](const Agent&) {});
    } catch (const std::exception& error) {
      fmt::print(stderr, "mlpipe-agent: {}\n", error.what());
      status = 1;
    }
    std::fflush(nullptr);
    ::_exit(status);
  }

  const ManyOpenFiles open_files_;  // some for each job
  Family family_;
  sigset_t blocked_ = block_signals();
  FileDescriptor requests_;
  FileDescriptor signals_;
  std::map<pid_t, SpawnRequest> agents_;  // with what is held for them
  std::vector<SpawnRequest> killed_;      // whose jobs may not be gone yet
};

}  // namespace

void serve_spawn_requests(FileDescriptor requests) {
  Spawner(std::move(requests)).run();
}

}  // namespace mlpipe
