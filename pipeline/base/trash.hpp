#pragma once

#include <filesystem>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// What is to be removed, out of the way at once and removed later, many at a time: between syncs a file
// system with a journal makes every removal wait for the last commit, one that discards what is freed takes
// its time for each file, and the next free inode is looked for longer. Removes all of it when it is told to
// and on destruction; what a killed process leaves here, the next run or gc removes.
class Trash {
 public:
  // A folder of its own in `parent`, made when it is needed; on the same file system as what it takes.
  explicit Trash(std::filesystem::path parent) : parent_(std::move(parent)) {}
  Trash(const Trash&) = delete;
  Trash& operator=(const Trash&) = delete;
  ~Trash();

  // Nothing there to take is not an error.
  void take(const std::filesystem::path& path);
  // A name within that nothing has yet.
  std::filesystem::path place();
  void empty();
  // Leaves all of it to whoever calls remove_abandoned_trash(). False when there is nothing.
  bool leave();

 private:
  std::filesystem::path parent_;
  std::filesystem::path folder_;  // empty: not made yet
  FileDescriptor lock_;           // on the folder, as long as it is in use
  std::size_t count_ = 0;
};

// Removes every folder in `parent` that nobody uses.
void remove_abandoned_trash(const std::filesystem::path& parent);

}  // namespace mlpipe
