#include "pipeline/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace fs = std::filesystem;

namespace {

std::string hint_for(int reason) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
      return "free some space there, or set MLPIPE_STORE to a folder on another disk";
    case EROFS:
      return "set MLPIPE_STORE to a folder that can be written";
    default:
      return "";
  }
}

}  // namespace

void throw_errno(const std::string& doing) {
  const int reason = errno;
  throw Error(fmt::format("{}: {}", doing, std::generic_category().message(reason)), hint_for(reason));
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

void FileDescriptor::close() {
  if (descriptor_ >= 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

FileDescriptor open_file(const fs::path& path, int flags, mode_t mode) {
  FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!file) {
    throw_errno(fmt::format("opening {}", path.string()));
  }
  return file;
}

namespace {

// Nothing when what it told of ended meanwhile: a file of /proc whose process is gone.
std::optional<std::string> read_open_file(const FileDescriptor& file, const fs::path& path,
                                          std::uint64_t limit) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw_errno(fmt::format("reading {}", path.string()));
  }
  if (S_ISDIR(status.st_mode)) {
    throw Error(fmt::format("reading {}: it is a folder, not a file", path.string()));
  }
  std::string bytes;
  bytes.reserve(std::min<std::uint64_t>(limit, static_cast<std::uint64_t>(status.st_size)));
  std::array<char, 1U << 16U> buffer{};
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == ESRCH) {
      return std::nullopt;
    }
    if (count < 0) {
      throw_errno(fmt::format("reading {}", path.string()));
    }
    if (count == 0) {
      return bytes;
    }
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() > limit) {
      throw Error(fmt::format("reading {}: it is larger than {} bytes", path.string(), limit));
    }
  }
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t limit) {
  if (auto bytes = read_open_file(open_file(path, O_RDONLY), path, limit)) {
    return *std::move(bytes);
  }
  throw Error(fmt::format("reading {}: {}", path.string(), std::strerror(ESRCH)));
}

std::optional<std::string> read_file_if_exists(const fs::path& path, std::uint64_t limit) {
  // One step, not a look and then a read: what is there may go away in between.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ESRCH) {
      return std::nullopt;
    }
    throw_errno(fmt::format("opening {}", path.string()));
  }
  return read_open_file(file, path, limit);
}

void write_all(int descriptor, std::string_view bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      throw_errno(fmt::format("writing {}", what));
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void write_file_atomically(const fs::path& path, std::string_view bytes, mode_t mode, Durability durability) {
  crash_point("write a file");
  std::string temporary = path.string() + ".XXXXXX";
  const FileDescriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file) {
    throw_errno(fmt::format("writing {}", path.string()));
  }
  try {
    write_all(file.get(), bytes, path.string());
    if (::fchmod(file.get(), mode) != 0 || (durability == Durability::now && ::fsync(file.get()) != 0)) {
      throw_errno(fmt::format("writing {}", path.string()));
    }
    crash_point("name a file");
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      throw_errno(fmt::format("writing {}", path.string()));
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (durability == Durability::now) {
    sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
  }
  crash_point("named a file");
}

void sync_directory(const fs::path& directory) {
  const FileDescriptor folder = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (::fsync(folder.get()) != 0) {
    throw_errno(fmt::format("syncing {}", directory.string()));
  }
}

void sync_file_system(const fs::path& path) {
  const FileDescriptor file = open_file(path, O_RDONLY);
  if (::syncfs(file.get()) != 0) {
    throw_errno(fmt::format("syncing {}", path.string()));
  }
}

void remove_tree(const fs::path& path) {
  crash_point("remove a tree");
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {  // read-only folders
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::add, error);
    for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code ignored;
      if (fs::is_directory(entry->symlink_status(ignored))) {
        fs::permissions(entry->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
      }
    }
    fs::remove_all(path);
  }
  crash_point("removed a tree");
}

bool is_inside_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos) {
    return false;
  }
  for (const fs::path& part : fs::path(path)) {
    if (part == "..") {
      return false;
    }
  }
  return true;
}

std::optional<FileLock> FileLock::lock(const fs::path& path, int operation) {
  while (true) {
    FileDescriptor file = open_file(path, O_RDWR | O_CREAT, 0644);
    while (::flock(file.get(), operation) != 0) {
      if (errno == EWOULDBLOCK) {
        return std::nullopt;
      }
      if (errno != EINTR) {
        throw_errno(fmt::format("locking {}", path.string()));
      }
    }
    // Who held it before may have removed the file: then this is a lock that nobody else can meet.
    struct stat locked {};
    struct stat named {};
    if (::fstat(file.get(), &locked) == 0 && ::stat(path.c_str(), &named) == 0 &&
        locked.st_ino == named.st_ino && locked.st_dev == named.st_dev) {
      return FileLock(std::move(file), path);
    }
  }
}

FileLock FileLock::wait(const fs::path& path) {
  return *lock(path, LOCK_EX);
}

std::optional<FileLock> FileLock::try_lock(const fs::path& path) {
  return lock(path, LOCK_EX | LOCK_NB);
}

void FileLock::remove() {
  crash_point("remove a lock");
  ::unlink(path_.c_str());
  descriptor_.close();
}

void FileLock::move_away(const fs::path& to) {
  crash_point("move a lock away");
  ::rename(path_.c_str(), to.c_str());
  descriptor_.close();
}

bool FileLock::is_held(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return false;
  }
  const FileDescriptor file = open_file(path, O_RDONLY);
  return ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  std::string name = (parent / "mlpipe-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw_errno(fmt::format("making a temporary folder in {}", parent.string()));
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  if (!path_.empty()) {
    try {
      remove_tree(path_);
    } catch (const std::exception&) {  // a destructor must not throw; what is left is in a temporary folder
    }
  }
}

}  // namespace mlpipe
