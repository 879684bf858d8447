#pragma once

#include <string>
#include <vector>

#include "pipeline/agent/log_writer.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// The log of a job whose processes do not write it themselves: what each of them prints, line by line, with a
// prefix of its own before every line, which may be empty. A line that is too long for memory or that nobody
// ended is written in parts. Not thread-safe.
class PrefixedLog {
 public:
  // `log` must live as long as this.
  explicit PrefixedLog(const LogWriter& log) : log_(log) {}

  // The end that a process writes to, once; the caller closes it when the process has it.
  FileDescriptor add(std::string prefix);
  // To be waited for: something has come, or nobody writes there any more.
  std::vector<int> descriptors() const;
  // Writes the whole lines that have come; never waits. What cannot be written, on a full disk, is lost.
  void forward();
  // The same, and what is left of lines that nobody ended.
  void finish();

 private:
  struct Source {
    std::string prefix;
    FileDescriptor end;
    std::string partial;
  };
  void read(Source& source);
  void write(Source& source, std::size_t length) const;

  const LogWriter& log_;
  std::vector<Source> sources_;
};

}  // namespace mlpipe
