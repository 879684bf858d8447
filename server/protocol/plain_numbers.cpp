#include "server/protocol/plain_numbers.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>

namespace mlpipe {
namespace {

// Below, whole numbers and powers of ten are exact as doubles, and so their quotient is the nearest double.
constexpr std::size_t most_exact_digits = 15;
constexpr std::array<double, most_exact_digits> powers_of_ten = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};

// The zero behind a text's end is none of what is looked for, and so nothing reads on from there.
class Reader {
 public:
  explicit Reader(const std::string& text) : at_(text.c_str()), end_(at_ + text.size()) {}

  bool take(char wanted) {
    skip_space();
    const bool found = *at_ == wanted;
    at_ += found ? 1 : 0;
    return found;
  }

  bool take_name(std::string_view name) {
    if (!take('"') || static_cast<std::size_t>(end_ - at_) < name.size() ||
        std::string_view(at_, name.size()) != name) {
      return false;
    }
    at_ += name.size();
    return at_ != end_ && *at_++ == '"';
  }

  bool take_number(float& value) {
    skip_space();
    const char* const start = at_;
    const bool is_negative = *at_ == '-';
    at_ += is_negative ? 1 : 0;
    const char* const first = at_;
    std::uint64_t digits = 0;
    const std::size_t whole = take_digits(digits);
    if (whole == 0 || (whole > 1 && *first == '0')) {
      return false;
    }
    std::size_t decimals = 0;
    if (*at_ == '.') {
      ++at_;
      decimals = take_digits(digits);
      if (decimals == 0) {
        return false;
      }
    }
    double exact = 0;
    if (whole + decimals <= most_exact_digits) {
      exact = static_cast<double>(digits) / powers_of_ten[decimals];
      exact = is_negative ? -exact : exact;
    } else if (decimals == 0 || std::from_chars(start, at_, exact).ec != std::errc() ||
               std::abs(exact) > static_cast<double>(std::numeric_limits<float>::max())) {
      return false;
    }
    value = static_cast<float>(exact);
    return value != 0 || !is_negative;  // whether -0 has a sign is the parser's to say
  }

  bool is_at_end() {
    skip_space();
    return at_ == end_;
  }

 private:
  void skip_space() {
    while (*at_ <= ' ' && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) {
      ++at_;
    }
  }

  // How many; more than fit are not `digits` any more.
  std::size_t take_digits(std::uint64_t& digits) {
    const char* at = at_;
    std::uint64_t value = digits;
    for (unsigned digit = 0; (digit = static_cast<unsigned char>(*at) - unsigned{'0'}) <= 9; ++at) {
      value = 10 * value + digit;
    }
    digits = value;
    return static_cast<std::size_t>(at - std::exchange(at_, at));
  }

  const char* at_;
  const char* end_;
};

}  // namespace

std::optional<std::vector<float>> read_plain_numbers(const std::string& body, std::string_view field,
                                                     std::size_t count) {
  Reader reader(body);
  if (count > body.size() || !reader.take('{') || !reader.take_name(field) || !reader.take(':') ||
      !reader.take('[')) {
    return std::nullopt;
  }
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    if ((i > 0 && !reader.take(',')) || !reader.take_number(numbers[i])) {
      return std::nullopt;
    }
  }
  if (!reader.take(']') || !reader.take('}') || !reader.is_at_end()) {
    return std::nullopt;
  }
  return numbers;
}

}  // namespace mlpipe
