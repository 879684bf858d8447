#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/model/shape.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe {

// An array of numbers as a data file holds it, row-major.
struct NumericArray {
  using Values = std::variant<std::vector<std::uint8_t>, std::vector<std::int32_t>, std::vector<std::int64_t>,
                              std::vector<float>, std::vector<double>>;
  std::string name;  // the file and, in an archive, the array, for messages
  Shape shape;
  Values values;
};

// Reads `bytes` as little-endian numbers of `Number`, or big-endian ones.
template <typename Number>
std::vector<Number> numbers_from(std::string_view bytes, bool big_endian);

// Examples from an array of them, [count, …], and one of their labels, [count] or [count, 1], which must be
// whole numbers. Throws UsageError that names the array: other shapes, values that are not finite.
RawExamples examples_from(NumericArray images, const NumericArray& labels);

// The shape of one example in an array of them: [28, 28] becomes an image of one channel, [1, 28, 28].
Shape example_shape(const NumericArray& images);

}  // namespace mlpipe
