#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/model/training_data.hpp"

namespace mlpipe {

// Which of `count` examples are held out, ascending; the same for the same seed. At least one is left to
// train on.
std::vector<std::size_t> choose_held_out(std::size_t count, const Split& split);

// The same, each class with its share, rounded; each keeps at least one example to train on.
std::vector<std::size_t> choose_held_out(const std::vector<std::int64_t>& classes, std::size_t class_count,
                                         const Split& split);

}  // namespace mlpipe
