#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/agent/control.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

using Clock = std::chrono::steady_clock;

// Thrown where the control has come to its end: whoever the job was for is gone.
struct Abandoned {};

// What the agent waits for. From its construction on, SIGCHLD, SIGTERM and SIGINT are blocked and become
// events.
class Events {
 public:
  explicit Events(ControlLines control);
  // The writing end of a FIFO: once nobody reads there any more, nobody can ask for anything either.
  void watch(FileDescriptor lifeline) { lifeline_ = std::move(lifeline); }

  struct Happened {
    bool end_requested = false;                  // "cancel", SIGTERM or SIGINT
    std::optional<std::string> replace_request;  // the id of the last "replace ID"
  };
  // Returns when a child ended, somebody asked for something, the deadline has passed, or one of `others` can
  // be read. Throws Abandoned once nobody can ask for anything any more.
  Happened wait(std::optional<Clock::time_point> deadline, std::span<const int> others = {});

 private:
  ControlLines control_;
  FileDescriptor lifeline_;
  FileDescriptor signals_;
};

}  // namespace mlpipe
