#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mlpipe {

// How many processes of the container that this one is in the kernel has killed for want of memory. Nothing
// where it does not say.
std::optional<std::uint64_t> memory_kills();

// The bytes that it may have; nothing where it has no limit of its own, or the kernel does not say.
std::optional<std::uint64_t> memory_limit();

// The number in the line "oom_kill N" of memory.events, or of version 1's memory.oom_control.
std::optional<std::uint64_t> memory_kills_in(std::string_view text);

}  // namespace mlpipe
