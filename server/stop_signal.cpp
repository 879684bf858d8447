#include "server/stop_signal.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace mlpipe {
namespace {

sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t signals = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more must not end the server
}

void StopSignal::wait() {
  const sigset_t signals = ending_signals();
  while (::sigwaitinfo(&signals, nullptr) < 0 && errno == EINTR) {
  }
}

void StopSignal::request() {
  ::kill(::getpid(), SIGTERM);
}

}  // namespace mlpipe
