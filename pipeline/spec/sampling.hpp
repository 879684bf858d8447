#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/yaml.hpp"

namespace mlpipe {

// What the values of one axis of a matrix are drawn from.
struct Range {
  enum class Kind { uniform, log_uniform, integer, choice };
  Kind kind = Kind::uniform;
  double least = 0;  // of all but choice; both ends belong to it
  double most = 0;
  std::vector<YamlNode> choices;
};

// {uniform: [a, b]}, {log-uniform: [a, b]}, {integer: [a, b]} or {choice: [..]}, its expressions replaced.
// Nothing, and a diagnostic, when the ends make no range.
std::optional<Range> read_range(const YamlNode& node, Diagnostics& diagnostics);

// The value of one draw: a scalar with the range's mark. It hangs on nothing but its arguments, so the same
// draws come for ever, on every machine, and more samples or axes change none: with u the first 53 bits of
// SHA-256("mlpipe-sample 1\n" SEED "\n" AXIS "\n" NUMBER "\n"), as a fraction in [0, 1),
//   uniform      least + u (most - least), rounded to 6 significant digits
//   log-uniform  exp(ln least + u (ln most - ln least)), rounded to 6 significant digits
//   integer      least + floor(u (most - least + 1))
//   choice       the entry floor(u n) of n
YamlNode draw(const Range& range, std::int64_t seed, const std::string& axis, std::size_t number, Mark mark);

}  // namespace mlpipe
