#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace mlpipe {

// What is random in a training is a function of its seed, a purpose and the place in the training, so that a
// resumed training finds it again without a state to be kept.
enum class Purpose : std::uint64_t { shuffling, augmentation, dropout };

std::uint64_t seed_for(Purpose purpose, std::uint64_t seed, std::initializer_list<std::int64_t> place);

// The order of the examples in an epoch, from 0.
std::vector<std::size_t> order_of(std::size_t count, std::uint64_t seed, std::int64_t epoch);

}  // namespace mlpipe
