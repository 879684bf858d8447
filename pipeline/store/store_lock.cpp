#include "pipeline/store/store_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

fs::path lock_file(const fs::path& store) {
  return store / "in-use";
}

// False when it would have to wait and must not.
bool lock(const FileDescriptor& file, int how, const fs::path& path) {
  while (::flock(file.get(), how) != 0) {
    if (errno == EWOULDBLOCK) {
      return false;
    }
    if (errno != EINTR) {
      throw_errno(fmt::format("locking {}", path.string()));
    }
  }
  return true;
}

// "/usr/bin/mlpipe\0run\0file" → "mlpipe run"
std::string command_of(pid_t process) {
  const std::string text = read_file_if_exists(fmt::format("/proc/{}/cmdline", process)).value_or("");
  const std::vector<std::string> words = split(text, '\0');
  constexpr std::size_t shown = 3;  // mlpipe models export
  std::string command = fs::path(words.front()).filename().string();
  for (std::size_t i = 1; i < std::min(words.size(), shown) && !words[i].starts_with("-"); ++i) {
    command += words[i].empty() ? "" : " " + words[i];
  }
  return printable(command);
}

}  // namespace

StoreLock StoreLock::shared(const fs::path& store) {
  const fs::path path = lock_file(store);
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    file = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  }
  if (!file && (errno == EROFS || errno == EACCES || errno == EPERM)) {
    return StoreLock(FileDescriptor());
  }
  if (!file) {
    throw_errno(fmt::format("opening {}", path.string()));
  }
  lock(file, LOCK_SH, path);
  return StoreLock(std::move(file));
}

std::optional<StoreLock> StoreLock::try_alone(const fs::path& store) {
  const fs::path path = lock_file(store);
  FileDescriptor file = open_file(path, O_RDWR | O_CREAT, 0644);
  return lock(file, LOCK_EX | LOCK_NB, path) ? std::optional(StoreLock(std::move(file))) : std::nullopt;
}

StoreLock StoreLock::alone(const fs::path& store) {
  const fs::path path = lock_file(store);
  FileDescriptor file = open_file(path, O_RDWR | O_CREAT, 0644);
  lock(file, LOCK_EX, path);
  return StoreLock(std::move(file));
}

std::vector<StoreUser> store_users(const fs::path& store) {
  struct stat status {};
  if (::stat(lock_file(store).c_str(), &status) != 0) {
    return {};
  }
  const std::string inode = fmt::format(":{}", status.st_ino);
  std::vector<StoreUser> users;
  // "12: FLOCK  ADVISORY  READ 4711 fe:01:131075 0 EOF"; one that waits has "->" before FLOCK
  for (const std::string& line : split(read_file_if_exists("/proc/locks").value_or(""), '\n')) {
    std::vector<std::string> words = split(line, ' ');
    std::erase(words, "");
    constexpr std::size_t process_word = 4;
    constexpr std::size_t file_word = 5;
    if (words.size() <= file_word || words[1] != "FLOCK" || !words[file_word].ends_with(inode)) {
      continue;
    }
    const auto process = static_cast<pid_t>(parse_integer(words[process_word]).value_or(0));
    if (process > 0 && process != ::getpid()) {
      users.push_back({process, command_of(process)});
    }
  }
  return users;
}

}  // namespace mlpipe
