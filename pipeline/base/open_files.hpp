#pragma once

#include <sys/resource.h>

namespace mlpipe {

// While it is there this process may have as many files open as the system lets it: the usual 1,024 are kept
// that low for programs that select() among them. Programs that it starts inherit that, see
// Command::open_files. One at a time in a process; its limit belongs to all threads.
class ManyOpenFiles {
 public:
  ManyOpenFiles();
  ~ManyOpenFiles() { put_back(); }
  ManyOpenFiles(const ManyOpenFiles&) = delete;
  ManyOpenFiles& operator=(const ManyOpenFiles&) = delete;

  // The limit of before, and that of now.
  rlim_t before() const { return before_.rlim_cur; }
  rlim_t limit() const { return before_.rlim_max; }
  // For a process that was forked from this one.
  void put_back() const;

 private:
  rlimit before_{};
};

}  // namespace mlpipe
