#include "pipeline/agent/events.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <vector>

namespace mlpipe {

Events::Events(ControlLines control) : control_(std::move(control)) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) {
    sigaddset(&signals, signal);
  }
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  signals_ = FileDescriptor(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) {
    throw_errno("waiting for signals");
  }
}

Events::Happened Events::wait(std::optional<Clock::time_point> deadline, std::span<const int> others) {
  int patience = -1;
  if (deadline) {  // rounded up, so that the deadline has passed when the time is over
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
    patience = static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
  }
  std::vector<pollfd> waiting = {{signals_.get(), POLLIN, 0},
                                 {control_.descriptor(), POLLIN, 0},
                                 {lifeline_ ? lifeline_.get() : -1, 0, 0}};
  for (const int other : others) {
    waiting.push_back({other, POLLIN, 0});
  }
  if (::poll(waiting.data(), waiting.size(), patience) < 0 && errno != EINTR) {
    throw_errno("waiting for the job");
  }
  Happened happened;
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    happened.end_requested |= signal.ssi_signo != SIGCHLD;
  }
  for (const std::string& line : control_.read_lines()) {
    happened.end_requested |= line == "cancel";
    if (line.starts_with("replace ")) {
      happened.replace_request = line.substr(line.find(' ') + 1);
    }
  }
  if (control_.ended() || (waiting[2].revents & POLLERR) != 0) {
    throw Abandoned();
  }
  return happened;
}

}  // namespace mlpipe
