#include "server/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <initializer_list>

namespace mlpipe {
namespace {

constexpr int requested_stop = SIGUSR1;  // its own signal, so that asking twice does not end it at once

sigset_t set_of(std::initializer_list<int> numbers) {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : numbers) {
    ::sigaddset(&signals, number);
  }
  return signals;
}

sigset_t awaited_signals() {
  return set_of({SIGTERM, SIGINT, SIGHUP, requested_stop});
}

}  // namespace

Signals::Signals() {
  const sigset_t signals = awaited_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more must not end the server
}

Signals::Event Signals::wait() {
  const sigset_t signals = awaited_signals();
  int number = -1;
  while (number < 0) {
    number = ::sigwaitinfo(&signals, nullptr);
  }
  if (number == SIGHUP) {
    return Event::reload;
  }
  const sigset_t ending = set_of({SIGTERM, SIGINT});
  ::pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
  return Event::stop;
}

void Signals::request_stop() {
  ::kill(::getpid(), requested_stop);
}

}  // namespace mlpipe
