#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mlpipe {

// What makes a network's input of a raw example: categories become one value each (one-hot), then everything
// is scaled: (value - offset) / divisor. Fitted on the training part only, carried in model.yaml, applied by
// trainer and server alike, so they cannot differ.
struct Preprocessing {
  enum class Kind { none, standardize, minmax };
  Kind kind = Kind::none;
  // The n-th of them scales the n-th of as many equally long runs of an encoded example: one for all values,
  // one for each channel of an image, or one for each value. Empty for none.
  std::vector<float> offset;
  std::vector<float> divisor;  // never zero: a value that does not vary has divisor 1
  // For each value of a raw example how many categories it has; 0: it is a number. Empty: all are numbers.
  std::vector<std::size_t> categories = {};

  // The length of an encoded example.
  std::size_t encoded_values(std::size_t raw_values) const;

  // `raw` holds whole examples of `raw_values` values each, one after the other; `encoded` takes as many of
  // encoded_values(raw_values), and may be the same memory where there are no categories. A category is given
  // by its index; one that is not there (-1, say) is encoded as zeros. Thread-safe.
  void apply(std::span<const float> raw, std::span<float> encoded, std::size_t raw_values) const;

 private:
  void encode(std::span<const float> raw, std::span<float> encoded) const;
  void scale(std::span<const float> from, std::span<float> to, std::size_t width) const;
};

}  // namespace mlpipe
