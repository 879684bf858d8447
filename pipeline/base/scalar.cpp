#include "pipeline/base/scalar.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace mlpipe {
namespace {

template <typename Number>
std::string shortest(Number value) {
  std::array<char, 64> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') {
      return std::nullopt;
    }
  }
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') {
      return std::nullopt;
    }
  }
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size() ||
      !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  using std::chrono::milliseconds;
  double total = 0;
  if (text.empty()) {
    return std::nullopt;
  }
  while (!text.empty()) {
    const std::size_t digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) {
      return std::nullopt;
    }
    const auto value = parse_number(text.substr(0, digits));
    text.remove_prefix(digits);
    double scale = 0;
    std::size_t length = 1;
    if (text.starts_with("ms")) {
      scale = 1;
      length = 2;
    } else if (text.front() == 's') {
      scale = 1000;
    } else if (text.front() == 'm') {
      scale = 60'000;
    } else if (text.front() == 'h') {
      scale = 3'600'000;
    } else if (text.front() == 'd') {
      scale = 86'400'000;
    }
    if (!value || scale == 0) {
      return std::nullopt;
    }
    text.remove_prefix(length);
    total += *value * scale;
  }
  constexpr double longest = 1e15;
  if (total > longest) {
    return std::nullopt;
  }
  return milliseconds(static_cast<std::int64_t>(total));
}

std::optional<bool> as_boolean(const YamlNode& node) {
  if (!node.is_scalar() || node.quoted) {
    return std::nullopt;
  }
  if (node.scalar == "true") {
    return true;
  }
  if (node.scalar == "false") {
    return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> as_integer(const YamlNode& node) {
  return node.is_scalar() && !node.quoted ? parse_integer(node.scalar) : std::nullopt;
}

std::optional<double> as_number(const YamlNode& node) {
  return node.is_scalar() && !node.quoted ? parse_number(node.scalar) : std::nullopt;
}

std::string number_text(double value) {
  return shortest(value);
}
std::string number_text(float value) {
  return shortest(value);
}

}  // namespace mlpipe
