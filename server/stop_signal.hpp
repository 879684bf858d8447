#pragma once

namespace mlpipe {

// Waits for SIGTERM or SIGINT in one place instead of in a handler. Made first in main(), before there are
// other threads, because threads inherit what is blocked here.
class StopSignal {
 public:
  StopSignal();
  // Returns when the process was told to end, by a signal or by request().
  void wait();
  // May be called from any thread.
  static void request();
};

}  // namespace mlpipe
