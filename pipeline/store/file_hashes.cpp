#include "pipeline/store/file_hashes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t nanoseconds = 1'000'000'000;
// File systems stamp with the kernel's coarse clock, which moves every 1 to 10 ms.
constexpr std::int64_t clock_tick = 20'000'000;

struct Stamp {
  std::string text;
  std::int64_t latest = 0;  // the later of mtime and ctime
};

Stamp stamp_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw_errno(fmt::format("reading {}", path.string()));
  }
  const std::int64_t modified = status.st_mtim.tv_sec * nanoseconds + status.st_mtim.tv_nsec;
  const std::int64_t changed = status.st_ctim.tv_sec * nanoseconds + status.st_ctim.tv_nsec;
  return {fmt::format("{} {} {} {} {}", status.st_size, modified, changed, status.st_ino, status.st_dev),
          std::max(modified, changed)};
}

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Digest FileHashes::digest(const std::filesystem::path& path) {
  const Stamp stamp = stamp_of(path);
  const std::string key = path.string();
  if (database_ != nullptr) {
    Statement query = database_->prepare("SELECT stamp, hashed_at, digest FROM file_hashes WHERE path = ?");
    query.bind(key);
    if (query.step() && query.text(0) == stamp.text && stamp.latest + clock_tick < query.integer(1)) {
      return query.digest(2);
    }
  }
  const std::int64_t hashed_at = now();
  const Digest digest = digest_of_file(path);
  if (stamp_of(path).text != stamp.text) {
    throw Error(fmt::format("{} changed while it was being read", path.string()),
                "run again once it is complete");
  }
  fresh_.push_back({key, stamp.text, hashed_at, digest});
  return digest;
}

void FileHashes::save() {
  if (database_ == nullptr || fresh_.empty()) {
    return;
  }
  Transaction transaction(*database_);
  for (const Fresh& fresh : fresh_) {
    Statement insert = database_->prepare(
        "INSERT INTO file_hashes(path, stamp, hashed_at, digest) VALUES(?, ?, ?, ?) ON CONFLICT(path) DO "
        "UPDATE SET "
        "stamp = excluded.stamp, hashed_at = excluded.hashed_at, digest = excluded.digest");
    insert.bind(fresh.path).bind(fresh.stamp).bind(fresh.hashed_at).bind(fresh.digest).run();
  }
  transaction.commit();
  fresh_.clear();
}

}  // namespace mlpipe
