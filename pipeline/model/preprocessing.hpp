#pragma once

#include <span>
#include <vector>

namespace mlpipe {

// The scaling between raw data and the network's input: (value - offset) / divisor, element by element.
// Fitted on the training part only, carried in model.yaml, applied by trainer and server alike, so they
// cannot differ.
struct Preprocessing {
  enum class Kind { none, standardize, minmax };
  Kind kind = Kind::none;
  std::vector<float> offset;   // one for each value of an example, or one for all; empty for none
  std::vector<float> divisor;  // never zero: a value that does not vary has divisor 1

  // `raw` and `scaled` hold whole examples, one after the other, and may be the same memory.
  void apply(std::span<const float> raw, std::span<float> scaled, std::size_t values_per_example) const;
};

}  // namespace mlpipe
