#include "trainer/training/stop.hpp"

#include <pthread.h>

namespace mlpipe {
namespace {

constexpr int watched[] = {SIGTERM, SIGINT};

}  // namespace

StopRequest StopRequest::watch() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : watched) {
    sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return {};
}

int StopRequest::signal() const {
  sigset_t pending;
  sigpending(&pending);
  for (const int signal : watched) {
    if (sigismember(&pending, signal) == 1) {
      return signal;
    }
  }
  return 0;
}

void throw_if_stopped(const StopRequest& stop) {
  if (const int signal = stop.signal(); signal != 0) {
    throw Stopped{signal};
  }
}

}  // namespace mlpipe
