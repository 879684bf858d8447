#include "pipeline/store/file_stamp.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t nanoseconds = 1'000'000'000;
// File systems stamp with the kernel's coarse clock, which moves every 1 to 10 ms.
constexpr std::int64_t clock_tick = 20'000'000;

}  // namespace

std::string FileStamp::text() const {
  return fmt::format("{} {} {} {} {}", size, modified, changed, inode, device);
}

bool FileStamp::is_settled(std::int64_t looked_at) const {
  return std::max(modified, changed) + clock_tick < looked_at;
}

std::optional<FileStamp> stamp_of(int folder, const char* path) {
  struct stat status {};
  if (::fstatat(folder, path, &status, 0) != 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
      return std::nullopt;
    }
    throw_errno(fmt::format("reading {}", path));
  }
  return FileStamp{static_cast<std::uint64_t>(status.st_size),
                   status.st_mtim.tv_sec * nanoseconds + status.st_mtim.tv_nsec,
                   status.st_ctim.tv_sec * nanoseconds + status.st_ctim.tv_nsec, status.st_ino,
                   status.st_dev};
}

std::optional<FileStamp> stamp_of(const std::filesystem::path& path) {
  return stamp_of(AT_FDCWD, path.c_str());
}

std::int64_t stamp_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace mlpipe
