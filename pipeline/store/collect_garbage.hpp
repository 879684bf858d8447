#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/trash.hpp"
#include "pipeline/store/reachable.hpp"
#include "pipeline/store/store_lock.hpp"

namespace mlpipe {

// What no root reaches: what goes.
struct Garbage {
  std::vector<std::int64_t> results;  // their rows
  std::vector<std::string> releases;  // "digits:1": their files go, they stay in the list of releases
  std::vector<std::filesystem::path> blobs;
  std::vector<std::filesystem::path> trees;
  // Folders of jobs that nobody runs or waits for, checkpoints and locks of such jobs, files that were being
  // written when a process was killed.
  std::vector<std::filesystem::path> leftovers;
  std::uint64_t bytes = 0;  // what they take, each inode counted once
};

// Checkpoints of attempts that were lost or failed are kept for this long, for the next attempt.
inline constexpr std::chrono::hours keep_checkpoints{14 * 24};

// Looks only. What it finds is true as long as the lock that `alone` stands for is held; without it, it is an
// estimate. `checkpoints_until`: those that changed later stay.
Garbage find_garbage(const Store& store, std::span<const Root> roots,
                     std::chrono::system_clock::time_point checkpoints_until);

// Takes it away: rows first, in one transaction, then the bytes move to the trash, which the caller empties
// once it has let the lock go. Killed in between, it leaves bytes that nothing reaches, for the next gc.
void take_away(Store& store, const Garbage& garbage, const StoreLock& alone, Trash& trash);

}  // namespace mlpipe
