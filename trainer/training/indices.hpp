#pragma once

#include <cstdint>

#include "trainer/data/dataset.hpp"

namespace mlpipe {

// For a network that begins with an embedding: throws UsageError that names the first raw value which is no
// whole number from 0 up to less than `count`. Reads every example once.
void require_indices(const Dataset& dataset, std::int64_t count);

}  // namespace mlpipe
