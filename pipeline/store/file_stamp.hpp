#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace mlpipe {

// What tells that a file's bytes, or a folder's names, are still the ones that were looked at; links are
// followed. Times are nanoseconds since the epoch.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified = 0;
  std::int64_t changed = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
  std::string text() const;
  // Within one tick of the file system's clock a file can change without a trace. So what was looked at then
  // counts only when it had been left alone for longer than that (git's racy rule).
  bool is_settled(std::int64_t looked_at) const;
};

// Nothing when there is no such file. `folder`, when given, is an open folder that `path` is relative to.
std::optional<FileStamp> stamp_of(const std::filesystem::path& path);
std::optional<FileStamp> stamp_of(int folder, const char* path);

// Nanoseconds since the epoch, by the clock that files are stamped with.
std::int64_t stamp_clock();

}  // namespace mlpipe
