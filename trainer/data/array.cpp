#include "trainer/data/array.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

std::vector<float> floats_of(NumericArray array) {
  if (auto* floats = std::get_if<std::vector<float>>(&array.values)) {
    return std::move(*floats);
  }
  std::vector<float> result;
  std::visit(
      [&](const auto& values) {
        result.reserve(values.size());
        for (const auto value : values) {
          result.push_back(static_cast<float>(value));
        }
      },
      array.values);
  return result;
}

template <typename Number>
std::string label_text(Number value, const std::string& name) {
  const auto whole = static_cast<std::int64_t>(value);
  if constexpr (std::is_floating_point_v<Number>) {
    constexpr Number largest = 1e15;  // whole numbers beyond it are not exact
    if (!(std::abs(value) <= largest) || static_cast<Number>(whole) != value) {
      throw UsageError(fmt::format("{}: the label {} is not a whole number", name, value));
    }
  }
  return std::to_string(whole);
}

std::vector<std::string> labels_of(const NumericArray& array) {
  std::vector<std::string> labels;
  std::visit(
      [&](const auto& values) {
        labels.reserve(values.size());
        for (const auto value : values) {
          labels.push_back(label_text(value, array.name));
        }
      },
      array.values);
  return labels;
}

}  // namespace

template <typename Number>
std::vector<Number> numbers_from(std::string_view bytes, bool big_endian) {
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    char buffer[sizeof(Number)];
    std::memcpy(buffer, bytes.data() + i * sizeof(Number), sizeof(Number));
    if (big_endian) {
      std::reverse(buffer, buffer + sizeof(Number));
    }
    std::memcpy(&numbers[i], buffer, sizeof(Number));
  }
  return numbers;
}

template std::vector<std::uint8_t> numbers_from<std::uint8_t>(std::string_view, bool);
template std::vector<std::int32_t> numbers_from<std::int32_t>(std::string_view, bool);
template std::vector<std::int64_t> numbers_from<std::int64_t>(std::string_view, bool);
template std::vector<float> numbers_from<float>(std::string_view, bool);
template std::vector<double> numbers_from<double>(std::string_view, bool);

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

RawExamples examples_from(NumericArray images, const NumericArray& labels) {
  const bool flat = labels.shape.size() == 1 || (labels.shape.size() == 2 && labels.shape[1] == 1);
  if (!flat) {
    throw UsageError(fmt::format("{}: it has the shape {}, and labels are one number for each example",
                                 labels.name, shape_text(labels.shape)));
  }
  example_shape(images);  // refuses what is no examples
  if (labels.shape.front() != images.shape.front()) {
    throw UsageError(fmt::format("{} has {} examples, and {} has {} labels", images.name,
                                 images.shape.front(), labels.name, labels.shape.front()));
  }
  const std::string name = images.name;
  RawExamples examples{floats_of(std::move(images)), labels_of(labels)};
  const auto wrong = std::find_if(examples.values.begin(), examples.values.end(),
                                  [](float value) { return !std::isfinite(value); });
  if (wrong != examples.values.end()) {
    const std::size_t values = examples.values.size() / examples.labels.size();
    throw UsageError(fmt::format("{}: example {} holds {}, which is no number to compute with", name,
                                 static_cast<std::size_t>(wrong - examples.values.begin()) / values, *wrong));
  }
  return examples;
}

}  // namespace mlpipe
