#pragma once

namespace mlpipe {

// Waits for signals in one place instead of in handlers. Made first in main(), before there are other
// threads, because threads inherit what is blocked here.
class Signals {
 public:
  enum class Event {
    reload,  // SIGHUP
    stop,    // SIGTERM, SIGINT or request_stop()
  };

  Signals();
  // Returns what the process was told. After `stop` another SIGTERM or SIGINT ends the process at once.
  Event wait();
  // May be called from any thread and more than once.
  static void request_stop();
};

}  // namespace mlpipe
