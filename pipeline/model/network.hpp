#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"

namespace mlpipe {

using Shape = std::vector<std::int64_t>;

std::size_t element_count(const Shape& shape);
std::string shape_text(const Shape& shape);  // "[1, 8, 8]"

// To be designed by the model layer's author: layers with their inferred shapes and parameter counts.
struct Network;

}  // namespace mlpipe
