#include "pipeline/model/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

namespace mlpipe {

std::size_t element_count(const Shape& shape) {
  constexpr std::size_t too_many = std::numeric_limits<std::size_t>::max();
  std::size_t count = 1;
  bool overflows = false;
  for (const std::int64_t size : shape) {
    if (size < 0) {
      return too_many;
    }
    if (size == 0) {
      return 0;
    }
    overflows = overflows || count > too_many / static_cast<std::size_t>(size);
    count *= static_cast<std::size_t>(size);
  }
  return overflows ? too_many : count;
}

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace mlpipe
