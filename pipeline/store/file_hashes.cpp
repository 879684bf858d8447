#include "pipeline/store/file_hashes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

FileStamp stamp_of_existing(const fs::path& path) {
  if (const auto stamp = stamp_of(path)) {
    return *stamp;
  }
  throw Error(fmt::format("reading {}: there is no such file", path.string()));
}

// Calls work(0), …, work(count - 1), each once, on as many threads as there are cores; throws what one threw.
template <typename Work>
void on_all_cores(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto take_turns = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) {
        work(i);
      }
    } catch (...) {
      next = count;
      const std::lock_guard guard(mutex);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    // Asking for the number of cores reads a file: not for one piece of work.
    const std::size_t cores = count > 1 ? std::thread::hardware_concurrency() : 1;
    for (std::size_t i = 1; i < std::min(count, cores); ++i) {
      others.emplace_back(take_turns);
    }
    take_turns();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace

std::vector<Digest> FileHashes::digests(std::span<const fs::path> paths) {
  std::vector<Digest> digests(paths.size());
  std::vector<std::size_t> missing;
  std::vector<FileStamp> stamps(paths.size());
  std::optional<Statement> query;
  if (database_ != nullptr) {
    query.emplace(database_->prepare("SELECT stamp, hashed_at, digest FROM file_hashes WHERE path = ?"));
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    stamps[i] = stamp_of_existing(paths[i]);
    if (query) {
      query->reset();
      query->bind(paths[i].string());
      if (query->step() && query->text(0) == stamps[i].text() && stamps[i].is_settled(query->integer(1))) {
        digests[i] = query->digest(2);
        continue;
      }
    }
    missing.push_back(i);
  }
  // The largest first, so that no core is left with one at the end.
  std::stable_sort(missing.begin(), missing.end(),
                   [&](std::size_t a, std::size_t b) { return stamps[a].size > stamps[b].size; });
  std::vector<std::int64_t> hashed_at(paths.size());
  on_all_cores(missing.size(), [&](std::size_t turn) {
    const std::size_t i = missing[turn];
    hashed_at[i] = stamp_clock();
    digests[i] = digest_of_file(paths[i]);
    if (stamp_of_existing(paths[i]) != stamps[i]) {
      throw Error(fmt::format("{} changed while it was being read", paths[i].string()),
                  "run again once it is complete");
    }
  });
  for (const std::size_t i : missing) {
    fresh_.push_back({paths[i].string(), stamps[i], hashed_at[i], digests[i]});
  }
  return digests;
}

Digest FileHashes::digest(const fs::path& path) {
  return digests({&path, 1}).front();
}

void FileHashes::save() {
  if (database_ == nullptr || fresh_.empty()) {
    return;
  }
  Transaction transaction(*database_);
  Statement insert = database_->prepare(
      "INSERT INTO file_hashes(path, stamp, hashed_at, digest) VALUES(?, ?, ?, ?) ON CONFLICT(path) DO "
      "UPDATE SET stamp = excluded.stamp, hashed_at = excluded.hashed_at, digest = excluded.digest");
  for (const Fresh& fresh : fresh_) {
    insert.reset();
    insert.bind(fresh.path).bind(fresh.stamp.text()).bind(fresh.hashed_at).bind(fresh.digest).run();
  }
  transaction.commit();
  fresh_.clear();
}

}  // namespace mlpipe
