#include "pipeline/store/disk_sizes.hpp"

#include <sys/stat.h>

namespace mlpipe {

std::uint64_t DiskSizes::add(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return 0;
  }
  if (!S_ISDIR(status.st_mode)) {
    return seen_.emplace(status.st_dev, status.st_ino).second ? static_cast<std::uint64_t>(status.st_size)
                                                              : 0;
  }
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    bytes += add(entry->path());
  }
  return bytes;
}

}  // namespace mlpipe
