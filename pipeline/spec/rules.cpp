#include "pipeline/spec/rules.hpp"

#include <algorithm>
#include <cmath>

namespace mlpipe {

std::chrono::milliseconds Retry::wait_before(std::size_t attempt) const {
  const auto longest = static_cast<double>(longest_backoff.count());
  const double wait =
      static_cast<double>(backoff.count()) * std::pow(factor, static_cast<double>(attempt) - 1);
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(wait, longest)));
}

}  // namespace mlpipe
