#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>

namespace mlpipe {

// Whether FP32 has this whole number: its digits fit, however many zeros follow them.
template <std::integral Whole>
constexpr bool is_in_fp32(Whole value) {
  std::uint64_t digits = static_cast<std::uint64_t>(value);
  if (value < 0) {
    digits = ~digits + 1;
  }
  return digits == 0 || (digits >> std::countr_zero(digits)) >> std::numeric_limits<float>::digits == 0;
}

}  // namespace mlpipe
