#include "pipeline/exec/clone_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cerrno>

#include "pipeline/base/file.hpp"

namespace mlpipe {

void clone_file(const std::filesystem::path& from, const std::filesystem::path& to, mode_t mode) {
  const FileDescriptor source = open_file(from, O_RDONLY);
  const FileDescriptor target = open_file(to, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (::fchmod(target.get(), mode) != 0) {
    throw_errno(fmt::format("changing the mode of {}", to.string()));
  }
  if (::ioctl(target.get(), FICLONE, source.get()) == 0) {
    return;
  }
  constexpr std::size_t at_once = std::size_t{1} << 30U;
  ssize_t count = 0;
  while ((count = ::sendfile(target.get(), source.get(), nullptr, at_once)) != 0) {
    if (count < 0 && errno != EINTR) {
      throw_errno(fmt::format("copying {} to {}", from.string(), to.string()));
    }
  }
}

}  // namespace mlpipe
