#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/plan/capacity.hpp"

namespace mlpipe {

// What this machine has for jobs: the cores that this process may use, the memory, both within the limits of
// its control groups, and NVIDIA's GPUs (of those that CUDA_VISIBLE_DEVICES names, where it is set).
Capacity capacity_of_machine();

// Thousandths of a core from the text of cpu.max ("150000 100000", "max 100000"); nothing: no limit.
std::optional<std::int64_t> cores_of_cpu_max(std::string_view text);
// Bytes from the text of memory.max or memory.limit_in_bytes; nothing: no limit.
std::optional<std::uint64_t> bytes_of_memory_max(std::string_view text);

}  // namespace mlpipe
