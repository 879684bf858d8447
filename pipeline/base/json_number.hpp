#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <utility>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// A whole number from a JSON file, within the limits; throws Error for anything else. (The library's own
// conversion makes of 1e300, or of a number too large for the type, whatever the processor does.)
template <std::integral Number, typename Json>
Number whole_number(const Json& json, Number least, Number most) {
  if (json.is_number_unsigned()) {
    const auto number = json.template get<std::uint64_t>();
    if (!std::cmp_less(number, least) && !std::cmp_greater(number, most)) {
      return static_cast<Number>(number);
    }
  } else if (json.is_number_integer()) {
    const auto number = json.template get<std::int64_t>();
    if (!std::cmp_less(number, least) && !std::cmp_greater(number, most)) {
      return static_cast<Number>(number);
    }
  }
  throw Error(fmt::format("there is no whole number from {} to {} where one should be", least, most));
}

}  // namespace mlpipe
