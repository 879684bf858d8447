#pragma once

#include <cstdint>
#include <limits>

#include "pipeline/base/json_number.hpp"

namespace mlpipe {

// The size of a file, from JSON; as large as a file can be.
template <typename Json>
std::uint64_t byte_count(const Json& json) {
  constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  return whole_number<std::uint64_t>(json, 0, largest);
}

}  // namespace mlpipe
