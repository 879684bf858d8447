#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// Which results stand for a step, of those that its action key has. It does not count towards the step's own
// key; what it chooses counts towards the keys of the steps that follow.
struct Selector {
  enum class Kind {
    latest,  // the newest that succeeded
    best,    // the one with the highest (or lowest) metric; the older of equal ones
    some,    // the oldest `count`; the step runs until there are as many
    only,    // the one that there is; none of several
    exact,   // those with these ids
    all,     // every one that succeeded, at least one
  };

  Kind kind = Kind::latest;
  std::string metric;            // best
  bool lowest = false;           // best
  std::size_t count = 1;         // some
  std::vector<std::string> ids;  // exact: the beginnings of ids

  // Whether an output of the step is a folder that holds each result's own: inputs/STEP/OUT/1, /2, …
  bool takes_many() const;
  // As the author writes it: "best(loss, min)".
  std::string text() const;

  friend bool operator==(const Selector&, const Selector&) = default;
};

// Throws UsageError that says how a selector is written.
Selector parse_selector(std::string_view text);

}  // namespace mlpipe
