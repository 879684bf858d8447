#include "pipeline/store/trash.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <cstdio>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_kept = 1000;

}  // namespace

Trash::~Trash() {
  try {
    empty();
  } catch (const std::exception&) {  // a destructor must not throw; gc removes what is left
  }
}

fs::path Trash::place() {
  if (folder_.empty()) {
    fs::create_directories(parent_);
    std::string name = (parent_ / "XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw_errno(fmt::format("making a folder in {}", parent_.string()));
    }
    folder_ = name;
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

void Trash::empty_if_full() {
  if (count_ > most_kept) {
    empty();
  }
}

void Trash::empty() {
  if (!folder_.empty()) {
    remove_tree(folder_);
    folder_.clear();
    count_ = 0;
  }
}

}  // namespace mlpipe
