#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <utility>

namespace mlpipe {

// How much files take, each inode counted once: a tree's files are hard links to blobs.
class DiskSizes {
 public:
  // What a file, or all below a folder, adds to what was counted before. What vanishes meanwhile counts
  // nothing.
  std::uint64_t add(const std::filesystem::path& path);

 private:
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace mlpipe
