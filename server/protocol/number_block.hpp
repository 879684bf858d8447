#pragma once

#include <vector>

#include "pipeline/model/shape.hpp"

namespace mlpipe {

// Nested lists of numbers, read as one block.
struct NumberBlock {
  Shape shape;
  std::vector<float> values;  // row-major, finite
};

}  // namespace mlpipe
