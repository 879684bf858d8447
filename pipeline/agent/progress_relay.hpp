#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "pipeline/agent/events.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// Tells of a job's progress on a stream: the last line of what its program appends to a file, a few times a
// second at most, each behind a progress_mark. Not thread-safe.
class ProgressRelay {
 public:
  // Makes the file. `stream` must stay open as long as this.
  ProgressRelay(std::filesystem::path file, int stream);

  // To be waited for, besides the deadline: there is something to forward.
  int descriptor() const { return changes_.get(); }
  std::optional<Clock::time_point> deadline() const;
  // Never waits for the program.
  void forward();
  // What was not told yet.
  void finish();

 private:
  void tell();

  std::filesystem::path file_;
  int stream_;
  FileDescriptor changes_;
  bool changed_ = false;
  Clock::time_point next_;  // before that nothing is told
  std::string told_;
};

}  // namespace mlpipe
