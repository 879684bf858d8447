#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mlpipe {

// How many requests took how long, in classes whose bounds grow by a quarter: four to each doubling, from 8
// microseconds to two minutes. A value.
class Latencies {
 public:
  static constexpr std::size_t size = 96;

  void add(std::chrono::nanoseconds latency) { ++counts_[class_of(latency)]; }
  std::uint64_t count(std::size_t index) const { return counts_[index]; }

  // What the class ends with, in seconds; the last has no end.
  static double upper_bound(std::size_t index) {
    return 1e-6 * static_cast<double>((4 + (index % 4) + 1) << (index / 4)) * (shortest / 4.0);
  }

 private:
  static constexpr std::uint64_t shortest = 8;  // microseconds; the first class also holds what took less

  static std::size_t class_of(std::chrono::nanoseconds latency) {
    const auto microseconds = static_cast<std::uint64_t>(
        std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(latency).count(), 0));
    if (microseconds < shortest) {
      return 0;
    }
    const auto doubling = static_cast<std::size_t>(std::bit_width(microseconds)) - 1;  // from 3
    const std::size_t quarter = (microseconds >> (doubling - 2)) & 3U;
    return std::min(4 * (doubling - 3) + quarter, size - 1);
  }

  std::array<std::uint64_t, size> counts_{};
};

}  // namespace mlpipe
