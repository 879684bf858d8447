// A service for the tests: listening_program DESCRIPTOR ANSWER [READY_FILE] answers every connection with
// ANSWER and its process id. On SIGTERM it finishes the connection at hand and ends.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>

int main(int count, char** arguments) {
  if (count < 3) {
    return 2;
  }
  const int listener = std::atoi(arguments[1]);
  ::fcntl(listener, F_SETFL, O_NONBLOCK);  // another process may have taken the connection meanwhile
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int asked_to_end = ::signalfd(-1, &signals, 0);
  if (count > 3) {
    ::close(::open(arguments[3], O_CREAT | O_WRONLY, 0644));
  }
  const std::string answer = std::string(arguments[2]) + " " + std::to_string(::getpid()) + "\n";
  while (true) {
    std::array<pollfd, 2> waiting = {pollfd{listener, POLLIN, 0}, pollfd{asked_to_end, POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[1].revents != 0) {
      return 0;
    }
    const int connection = ::accept(listener, nullptr, nullptr);
    if (connection >= 0) {
      static_cast<void>(::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL));
      ::close(connection);
    }
  }
}
