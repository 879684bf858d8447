#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/model/shape.hpp"
#include "pipeline/model/training_data.hpp"

namespace mlpipe {

// Changes an image, [channels, height, width], at random: mirrored with a chance of one half each way, and
// moved within a border of zeros. What happens hangs on `seed` alone. `scratch` is memory to work in.
void augment(const Augmentation& augmentation, const Shape& shape, std::uint64_t seed, std::span<float> image,
             std::vector<float>& scratch);

// A seed of its own for each example of an epoch.
std::uint64_t example_seed(std::uint64_t epoch_seed, std::size_t example);

}  // namespace mlpipe
