#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mlpipe {

// The sizes of a tensor, outermost first.
using Shape = std::vector<std::int64_t>;

// The product of the sizes; the largest std::size_t when it does not fit into one or a size is negative, so
// that a comparison with what is really there fails.
std::size_t element_count(const Shape& shape);

std::string shape_text(const Shape& shape);  // "[1, 8, 8]"

}  // namespace mlpipe
