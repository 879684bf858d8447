#include "trainer/data/array.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are turned around where they are not");

template <typename Number, bool big_endian, typename To>
void convert(const char* bytes, std::span<To> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    char buffer[sizeof(Number)];
    std::memcpy(buffer, bytes + i * sizeof(Number), sizeof(Number));
    if constexpr (big_endian) {
      std::reverse(buffer, buffer + sizeof(Number));
    }
    Number number;
    std::memcpy(&number, buffer, sizeof(Number));
    to[i] = static_cast<To>(number);  // NOLINT(bugprone-signed-char-misuse): a char is a number here
  }
}

template <typename To>
void read_as(const NumericArray& array, std::size_t first, std::span<To> to) {
  const auto read = [&]<typename Number>(Number) {
    const char* bytes = array.bytes.data() + first * sizeof(Number);
    array.big_endian ? convert<Number, true>(bytes, to) : convert<Number, false>(bytes, to);
  };
  switch (array.type) {
    case NumberType::uint8:
      return read(std::uint8_t{});
    case NumberType::int8:
      return read(std::int8_t{});
    case NumberType::int16:
      return read(std::int16_t{});
    case NumberType::int32:
      return read(std::int32_t{});
    case NumberType::int64:
      return read(std::int64_t{});
    case NumberType::float32:
      return read(float{});
    case NumberType::float64:
      return read(double{});
  }
}

class ArraySource : public ExampleSource {
 public:
  explicit ArraySource(NumericArray array)
      : array_(std::move(array)), per_example_(element_count(array_.shape) / array_.count()) {}

  std::size_t count() const override { return array_.count(); }

  void read(std::span<const std::size_t> examples, std::span<float> values) const override {
    for (std::size_t i = 0; i < examples.size(); ++i) {
      read_numbers(array_, examples[i] * per_example_, values.subspan(i * per_example_, per_example_));
    }
  }

 private:
  NumericArray array_;
  std::size_t per_example_;
};

bool is_fraction_type(NumberType type) {
  return type == NumberType::float32 || type == NumberType::float64;
}

std::vector<std::int64_t> whole_numbers(const NumericArray& array) {
  constexpr double largest = 1e15;  // whole numbers beyond it are not exact
  std::vector<double> numbers(array.count());
  read_as<double>(array, 0, numbers);
  std::vector<std::int64_t> whole;
  whole.reserve(numbers.size());
  for (const double number : numbers) {
    if (!(std::abs(number) <= largest) || std::trunc(number) != number) {
      throw UsageError(fmt::format("{}: the label {} is not a whole number", array.name, number));
    }
    whole.push_back(static_cast<std::int64_t>(number));
  }
  return whole;
}

}  // namespace

std::size_t size_of(NumberType type) {
  switch (type) {
    case NumberType::uint8:
    case NumberType::int8:
      return 1;
    case NumberType::int16:
      return 2;
    case NumberType::int32:
    case NumberType::float32:
      return 4;
    case NumberType::int64:
    case NumberType::float64:
      break;
  }
  return 8;
}

void require_whole(const NumericArray& array) {
  const std::size_t size = size_of(array.type);
  if (array.bytes.size() % size != 0 || array.bytes.size() / size != element_count(array.shape)) {
    throw UsageError(fmt::format("{}: its header announces {} numbers of {} bytes, and {} bytes follow",
                                 array.name, element_count(array.shape), size, array.bytes.size()),
                     "the file is cut off or damaged");
  }
}

void read_numbers(const NumericArray& array, std::size_t first, std::span<float> to) {
  read_as<float>(array, first, to);
}

Shape example_shape(const NumericArray& images) {
  const Shape& shape = images.shape;
  if (shape.size() < 2 || shape.size() > 4 || element_count(shape) == 0) {
    throw UsageError(
        fmt::format("{}: it has the shape {}, which is no examples", images.name, shape_text(shape)),
        "the first size is the number of examples: [count, values], [count, height, width] or "
        "[count, channels, height, width]");
  }
  if (shape.size() == 3) {
    return {1, shape[1], shape[2]};
  }
  const bool channels_last = shape.size() == 4 && shape[3] <= 4 && shape[1] > 4;
  if (channels_last && shape[3] > 1) {
    throw UsageError(fmt::format("{}: its shape {} puts the channels last", images.name, shape_text(shape)),
                     "write the images channels first, [count, channels, height, width]");
  }
  if (channels_last) {
    return {1, shape[1], shape[2]};  // one channel: the same bytes in both orders
  }
  return {shape.begin() + 1, shape.end()};
}

std::shared_ptr<const ExampleSource> examples_of(NumericArray images) {
  return std::make_shared<ArraySource>(std::move(images));
}

void require_as_many(const NumericArray& targets, const NumericArray& examples) {
  if (targets.shape.front() != examples.shape.front()) {
    throw UsageError(fmt::format("{} has {} examples, and {} has {} labels", examples.name,
                                 examples.shape.front(), targets.name, targets.shape.front()));
  }
}

std::vector<std::int64_t> labels_of(const NumericArray& labels, const NumericArray& images) {
  const bool flat = labels.shape.size() == 1 || (labels.shape.size() == 2 && labels.shape[1] == 1);
  if (!flat) {
    throw UsageError(fmt::format("{}: it has the shape {}, and labels are one number for each example",
                                 labels.name, shape_text(labels.shape)));
  }
  require_as_many(labels, images);
  if (is_fraction_type(labels.type)) {
    return whole_numbers(labels);
  }
  std::vector<std::int64_t> numbers(labels.count());
  read_as<std::int64_t>(labels, 0, numbers);
  return numbers;
}

}  // namespace mlpipe
