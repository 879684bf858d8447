#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/model/shape.hpp"
#include "trainer/data/example_source.hpp"
#include "trainer/data/stored_bytes.hpp"

namespace mlpipe {

enum class NumberType { uint8, int8, int16, int32, int64, float32, float64 };
std::size_t size_of(NumberType type);

// An array of numbers as a data file holds it, row-major. Copies share the bytes.
struct NumericArray {
  std::string name;  // the file and, in an archive, the array, for messages
  Shape shape;
  NumberType type = NumberType::uint8;
  bool big_endian = false;
  StoredBytes stored;      // keeps what `bytes` lie in
  std::string_view bytes;  // of element_count(shape) numbers, not aligned

  std::size_t count() const { return static_cast<std::size_t>(shape.front()); }
};

// Throws UsageError, with the array's name, unless its bytes are as many as its shape and type take.
void require_whole(const NumericArray& array);

// The numbers from `first` on.
void read_numbers(const NumericArray& array, std::size_t first, std::span<float> to);

// The shape of one example in an array of them: [28, 28] becomes an image of one channel, [1, 28, 28]. Throws
// UsageError for what is no array of examples.
Shape example_shape(const NumericArray& images);

// The examples of an array, converted as they are read.
std::shared_ptr<const ExampleSource> examples_of(NumericArray images);

// Throws UsageError unless there are as many targets as examples.
void require_as_many(const NumericArray& targets, const NumericArray& examples);

// One whole number for each example. Throws UsageError for another shape, a fraction, and another number of
// them than `images` has examples.
std::vector<std::int64_t> labels_of(const NumericArray& labels, const NumericArray& images);

}  // namespace mlpipe
