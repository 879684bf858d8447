#include "pipeline/base/quantity.hpp"

#include <array>
#include <cmath>

#include "pipeline/base/scalar.hpp"

namespace mlpipe {
namespace {

struct Unit {
  std::string_view suffix;
  double factor;
};

constexpr double kibi = 1024;
constexpr std::array<Unit, 12> units = {{{"Ki", kibi},
                                         {"Mi", kibi* kibi},
                                         {"Gi", kibi* kibi* kibi},
                                         {"Ti", kibi* kibi* kibi* kibi},
                                         {"Pi", kibi* kibi* kibi* kibi* kibi},
                                         {"Ei", kibi* kibi* kibi* kibi* kibi* kibi},
                                         {"k", 1e3},
                                         {"M", 1e6},
                                         {"G", 1e9},
                                         {"T", 1e12},
                                         {"P", 1e15},
                                         {"E", 1e18}}};

// A whole number of the smallest unit, above zero; a fraction of it is rounded up.
std::optional<double> scaled(std::string_view number, double factor) {
  constexpr double largest = 9e18;
  const auto value = parse_number(number);
  if (!value || *value < 0 || *value * factor > largest) {
    return std::nullopt;
  }
  return std::ceil(*value * factor);
}

}  // namespace

std::optional<std::int64_t> parse_cores(std::string_view text) {
  constexpr double thousandths = 1000;
  const auto value =
      text.ends_with('m') ? scaled(text.substr(0, text.size() - 1), 1) : scaled(text, thousandths);
  return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  for (const Unit& unit : units) {
    if (text.ends_with(unit.suffix)) {
      const auto value = scaled(text.substr(0, text.size() - unit.suffix.size()), unit.factor);
      return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
    }
  }
  const auto value = scaled(text, 1);
  return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

std::string format_cores(std::int64_t thousandths) {
  constexpr std::int64_t whole = 1000;
  return thousandths % whole == 0 ? std::to_string(thousandths / whole)
                                  : number_text(static_cast<double>(thousandths) / whole);
}

}  // namespace mlpipe
