#pragma once

#include <filesystem>
#include <optional>

namespace mlpipe {

// How many cores' worth of time the control groups of this process let it have, rounded up: the least of its
// own and of those above (cpu.max, or cpu.cfs_quota_us of version 1). Nothing when none of them says. `root`
// is where proc/ and sys/ are.
std::optional<int> cpu_quota(const std::filesystem::path& root = "/");

// How many cores this process may use: those that it may run on, and no more than its quota; at least 1.
int available_cores();

}  // namespace mlpipe
