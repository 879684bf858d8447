#include "server/filter/request_id.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace mlpipe {
namespace {

std::uint64_t random_seed() {
  std::random_device random;
  return (static_cast<std::uint64_t>(random()) << 32U) | random();
}

}  // namespace

bool is_sane_request_id(std::string_view text) {
  constexpr std::string_view allowed =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/+=@";
  constexpr std::size_t longest = 128;
  return !text.empty() && text.size() <= longest && text.find_first_not_of(allowed) == std::string_view::npos;
}

UniqueNumbers::UniqueNumbers() : UniqueNumbers(random_seed()) {}

// SplitMix64: a counter, mixed by a function that gives no value twice.
std::uint64_t UniqueNumbers::next() {
  std::uint64_t mixed = next_.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed);
  mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
  mixed ^= mixed >> 31U;
  return mixed != 0 ? mixed : next();
}

std::string hexadecimal(std::uint64_t number) {
  return fmt::format("{:016x}", number);
}

}  // namespace mlpipe
