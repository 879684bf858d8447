#include "server/protocol/v2/datatype.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "server/protocol/failure.hpp"
#include "server/protocol/fp32.hpp"

namespace mlpipe {
namespace {

template <class Value>
Value value_at(std::string_view bytes, std::size_t index) {
  Value value{};
  std::memcpy(&value, bytes.data() + index * sizeof(Value), sizeof(Value));
  return value;
}

[[noreturn]] void refuse(const std::string& place, std::size_t index, const std::string& what) {
  throw RequestError(400, fmt::format("{}[{}]: {}", place, index, what));
}

void require_finite(double value, const std::string& place, std::size_t index) {
  if (!std::isfinite(value)) {
    refuse(place, index, fmt::format("it is {}, a finite number is expected", value));
  }
}

template <class Value>
float nearest_fp32(Value value, const std::string& place, std::size_t index) {
  bool is_exact = true;
  if constexpr (std::is_same_v<Value, double>) {
    require_finite(value, place, index);
    if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
      refuse(place, index, fmt::format("{} is beyond what FP32 holds", value));
    }
    is_exact = static_cast<double>(static_cast<float>(value)) == value;
  } else {
    is_exact = is_in_fp32(value);
  }
  if (!is_exact) {
    refuse(place, index, fmt::format("{} is no number of FP32, which the model computes with", value));
  }
  return static_cast<float>(value);
}

template <class Value>
std::vector<float> converted(std::string_view bytes, const std::string& place) {
  std::vector<float> values(bytes.size() / sizeof(Value));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = nearest_fp32(value_at<Value>(bytes, i), place, i);
  }
  return values;
}

std::vector<float> copied(std::string_view bytes, const std::string& place) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) {
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    require_finite(static_cast<double>(values[i]), place, i);
  }
  return values;
}

}  // namespace

std::vector<float> fp32_values(const RawNumbers& numbers, const std::string& place) {
  switch (numbers.type) {
    case Datatype::fp32:
      break;
    case Datatype::fp64:
      return converted<double>(numbers.bytes, place);
    case Datatype::int8:
      return converted<std::int8_t>(numbers.bytes, place);
    case Datatype::int16:
      return converted<std::int16_t>(numbers.bytes, place);
    case Datatype::int32:
      return converted<std::int32_t>(numbers.bytes, place);
    case Datatype::int64:
      return converted<std::int64_t>(numbers.bytes, place);
    case Datatype::uint8:
      return converted<std::uint8_t>(numbers.bytes, place);
    case Datatype::uint16:
      return converted<std::uint16_t>(numbers.bytes, place);
    case Datatype::uint32:
      return converted<std::uint32_t>(numbers.bytes, place);
    case Datatype::uint64:
      return converted<std::uint64_t>(numbers.bytes, place);
  }
  return copied(numbers.bytes, place);
}

void require_datatype(const std::vector<float>& values, Datatype type, const std::string& place) {
  const DatatypeEntry& entry = entry_of(type);
  if (!entry.is_whole) {
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    if (!(value >= entry.least && value < entry.end && value == std::floor(value))) {
      refuse(place, i, fmt::format("{} is no {}", values[i], entry.name));
    }
  }
}

}  // namespace mlpipe
