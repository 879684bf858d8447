#pragma once

#include <csignal>

namespace mlpipe {

// The wish of others that this process ends. SIGTERM and SIGINT are blocked, in the threads that start
// afterwards too, and asked for between two steps of the work, so that no handler interrupts anything.
class StopRequest {
 public:
  // For main(), before any other thread starts.
  static StopRequest watch();
  // The signal that asked to stop, or 0.
  int signal() const;

 private:
  StopRequest() = default;
};

// Thrown where the work can end, and caught in main(), which exits with 128 + signal.
struct Stopped {
  int signal;
};

void throw_if_stopped(const StopRequest& stop);

}  // namespace mlpipe
