#include "trainer/training/randomness.hpp"

#include <numeric>
#include <random>
#include <utility>

namespace mlpipe {
namespace {

// Takes one more number into a state (Sebastiano Vigna's splitmix64).
std::uint64_t mixed(std::uint64_t state, std::uint64_t number) {
  state += number + 0x9e3779b97f4a7c15U;
  state = (state ^ (state >> 30U)) * 0xbf58476d1ce4e5b9U;
  state = (state ^ (state >> 27U)) * 0x94d049bb133111ebU;
  return state ^ (state >> 31U);
}

}  // namespace

std::uint64_t seed_for(Purpose purpose, std::uint64_t seed, std::initializer_list<std::int64_t> place) {
  std::uint64_t state = mixed(mixed(0, seed), static_cast<std::uint64_t>(purpose));
  for (const std::int64_t number : place) {
    state = mixed(state, static_cast<std::uint64_t>(number));
  }
  return state;
}

std::vector<std::size_t> order_of(std::size_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::mt19937_64 random(seed_for(Purpose::shuffling, seed, {epoch}));
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random() % i]);  // std::shuffle's order is each library's own
  }
  return order;
}

}  // namespace mlpipe
