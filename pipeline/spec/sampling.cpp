#include "pipeline/spec/sampling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr double largest_whole = 1e15;  // so that every whole number in between is a double

std::optional<Range::Kind> kind_named(std::string_view name) {
  if (name == "uniform") {
    return Range::Kind::uniform;
  }
  if (name == "log-uniform") {
    return Range::Kind::log_uniform;
  }
  if (name == "integer") {
    return Range::Kind::integer;
  }
  return name == "choice" ? std::optional(Range::Kind::choice) : std::nullopt;
}

// Why the ends make no range of that kind; empty: they do.
std::string what_is_wrong(const Range& range) {
  if (!(range.least < range.most)) {
    return "the first end must be below the second";
  }
  if (range.kind == Range::Kind::log_uniform && range.least <= 0) {
    return "both ends of a log-uniform range are above 0";
  }
  const bool whole = std::floor(range.least) == range.least && std::floor(range.most) == range.most &&
                     std::max(std::abs(range.least), std::abs(range.most)) <= largest_whole;
  return range.kind == Range::Kind::integer && !whole ? "both ends are whole numbers" : "";
}

// The first 53 bits of the digest, as a fraction in [0, 1).
double fraction_of(const std::string& text) {
  constexpr int hex_digits = 14;  // 56 bits, three more than a double holds
  const std::string hex = digest_of(text).hex().substr(0, hex_digits);
  return std::ldexp(static_cast<double>(std::stoull(hex, nullptr, 16) >> 3U), -53);
}

}  // namespace

std::optional<Range> read_range(const YamlNode& node, Diagnostics& diagnostics) {
  const auto kind = node.entries.size() == 1 ? kind_named(node.entries.front().key) : std::nullopt;
  if (!kind) {
    return std::nullopt;  // the schema check says so
  }
  const YamlNode& values = node.entries.front().value;
  Range range;
  range.kind = *kind;
  if (range.kind == Range::Kind::choice) {
    range.choices = values.items;
    if (range.choices.empty()) {
      diagnostics.add(values, "there is nothing to choose from");
      return std::nullopt;
    }
    return range;
  }
  const auto least = values.items.size() == 2 ? as_number(values.items[0]) : std::nullopt;
  const auto most = values.items.size() == 2 ? as_number(values.items[1]) : std::nullopt;
  if (!least || !most) {
    diagnostics.add(values, "expected two numbers, the ends of the range", "as in [1e-4, 1e-1]");
    return std::nullopt;
  }
  range.least = *least;
  range.most = *most;
  if (const std::string wrong = what_is_wrong(range); !wrong.empty()) {
    diagnostics.add(values, wrong);
    return std::nullopt;
  }
  return range;
}

YamlNode draw(const Range& range, std::int64_t seed, const std::string& axis, std::size_t number, Mark mark) {
  const double u = fraction_of(fmt::format("mlpipe-sample 1\n{}\n{}\n{}\n", seed, axis, number));
  if (range.kind == Range::Kind::choice) {
    return range.choices[static_cast<std::size_t>(u * static_cast<double>(range.choices.size()))];
  }
  YamlNode value;
  value.kind = YamlNode::Kind::scalar;
  value.mark = mark;
  if (range.kind == Range::Kind::integer) {
    value.scalar = fmt::format("{:.0f}", range.least + std::floor(u * (range.most - range.least + 1)));
    return value;
  }
  double drawn = range.least + u * (range.most - range.least);
  if (range.kind == Range::Kind::log_uniform) {
    drawn = std::exp(std::log(range.least) + u * (std::log(range.most) - std::log(range.least)));
  }
  value.scalar = fmt::format("{:.6g}", std::clamp(drawn, range.least, range.most));
  return value;
}

}  // namespace mlpipe
