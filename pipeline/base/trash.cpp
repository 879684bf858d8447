#include "pipeline/base/trash.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Empty when it is gone or somebody else has it.
FileDescriptor lock_folder(const fs::path& folder) {
  FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor && ::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    descriptor.close();
  }
  return descriptor;
}

}  // namespace

Trash::~Trash() {
  try {
    empty();
  } catch (const std::exception&) {  // a destructor must not throw; gc removes what is left
  }
}

fs::path Trash::place() {
  while (folder_.empty()) {
    fs::create_directories(parent_);
    std::string name = (parent_ / "XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw_errno(fmt::format("making a folder in {}", parent_.string()));
    }
    lock_ = lock_folder(name);
    // Before it was locked, another process may have taken it for an abandoned one.
    folder_ = lock_ && fs::exists(name) ? name : "";
  }
  return folder_ / std::to_string(count_++);
}

void Trash::take(const fs::path& path) {
  crash_point("take out a folder");
  if (std::rename(path.c_str(), place().c_str()) != 0 && errno != ENOENT) {
    throw_errno(fmt::format("removing {}", path.string()));
  }
  crash_point("took out a folder");
}

void Trash::empty() {
  if (!folder_.empty()) {
    remove_tree(folder_);
    lock_.close();
    folder_.clear();
    count_ = 0;
  }
}

bool Trash::leave() {
  lock_.close();
  count_ = 0;
  return !std::exchange(folder_, {}).empty();
}

void remove_abandoned_trash(const fs::path& parent) {
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    if (const FileDescriptor lock = lock_folder(entry->path())) {
      remove_tree(entry->path());
    }
  }
}

}  // namespace mlpipe
