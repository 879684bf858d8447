#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/mask.hpp"

namespace mlpipe {

// Begins a line on standard output of an agent in a pod that is no line of the log but one of progress.
inline constexpr char progress_mark = '\x1e';

// Writes whole lines into a job's log, and where it is told to also onto a stream that is read while the job
// runs, with "***" in place of secrets. What cannot be written, on a full disk or to nobody, is lost: the job
// goes on.
class LogWriter {
 public:
  // `log` must stay open as long as this.
  explicit LogWriter(int log) : log_(log) {}

  // From now on also there; `secrets` stand neither there nor in the log any more.
  void echo_to(int stream, const std::vector<std::string>& secrets);
  bool echoes() const { return stream_ >= 0; }

  void write(std::string text) const;

 private:
  int log_;
  int stream_ = -1;
  Mask hidden_;
};

}  // namespace mlpipe
