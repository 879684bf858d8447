#include "pipeline/base/time.hpp"

#include <array>
#include <cstdlib>
#include <ctime>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Clock = std::chrono::system_clock;

constexpr std::int64_t longest_ago = 200LL * 366 * 24 * 3600;  // in seconds

// Takes `digits` digits off the front as a number.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text.empty() || text.front() < '0' || text.front() > '9') {
      return std::nullopt;
    }
    value = value * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

// "2026-11-21"
bool take_date(std::string_view& text, std::tm& parts) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, "-")) {
    return false;
  }
  const auto month = take_number(text, 2);
  if (!month || !take(text, "-")) {
    return false;
  }
  const auto day = take_number(text, 2);
  if (!day) {
    return false;
  }
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  return std::chrono::year_month_day(std::chrono::year(*year),
                                     std::chrono::month(static_cast<unsigned>(*month)),
                                     std::chrono::day(static_cast<unsigned>(*day)))
      .ok();
}

// "08:39" or "08:39:35"
bool take_time_of_day(std::string_view& text, std::tm& parts) {
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ":")) {
    return false;
  }
  const auto minute = take_number(text, 2);
  const auto second = take(text, ":") ? take_number(text, 2) : std::optional(0);
  if (!minute || !second) {
    return false;
  }
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  return *hour < 24 && *minute < 60 && *second < 60;
}

// "Z", "+01:00", "-0530": seconds east of UTC.
std::optional<int> read_offset(std::string_view text) {
  if (text == "Z" || text == "z") {
    return 0;
  }
  const bool west = !text.empty() && text.front() == '-';
  if (!take(text, "+-")) {
    return std::nullopt;
  }
  const auto hours = take_number(text, 2);
  take(text, ":");
  const auto minutes = take_number(text, 2);
  if (!hours || !minutes || !text.empty() || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  return (west ? -1 : 1) * (*hours * 3600 + *minutes * 60);
}

std::optional<Clock::time_point> parse_date(std::string_view text) {
  std::tm parts{};
  parts.tm_isdst = -1;
  if (!take_date(text, parts)) {
    return std::nullopt;
  }
  if (take(text, "T ") && !take_time_of_day(text, parts)) {
    return std::nullopt;
  }
  text = trim(text);
  if (text.empty()) {
    return Clock::from_time_t(std::mktime(&parts));
  }
  const auto offset = read_offset(text);
  return offset ? std::optional(Clock::from_time_t(::timegm(&parts) - *offset)) : std::nullopt;
}

// "2h", "1h30m", "3 days", "45 minutes".
std::optional<std::chrono::seconds> parse_length(std::string_view text) {
  if (const auto duration = parse_duration(text)) {
    return std::chrono::duration_cast<std::chrono::seconds>(*duration);
  }
  const std::size_t digits = text.find_first_not_of("0123456789");
  const auto count = digits != std::string_view::npos ? parse_integer(text.substr(0, digits)) : std::nullopt;
  if (!count) {
    return std::nullopt;
  }
  struct Unit {
    std::string_view short_name;
    std::string_view name;
    std::int64_t seconds;
  };
  constexpr std::array<Unit, 5> units = {{{"s", "second", 1},
                                          {"m", "minute", 60},
                                          {"h", "hour", 3600},
                                          {"d", "day", 86400},
                                          {"w", "week", 604800}}};
  std::string_view word = trim(text.substr(digits));
  for (const Unit& unit : units) {
    const bool plural = word.ends_with('s') && word.substr(0, word.size() - 1) == unit.name;
    if ((word == unit.short_name || word == unit.name || plural) && *count <= longest_ago / unit.seconds) {
      return std::chrono::seconds(*count * unit.seconds);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string format_local_time(Clock::time_point time) {
  const std::time_t seconds = Clock::to_time_t(time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z", &parts);
  return text.data();
}

std::optional<Clock::time_point> parse_moment(std::string_view text, Clock::time_point now) {
  text = trim(text);
  if (text == "now") {
    return now;
  }
  if (const auto date = parse_date(text)) {
    return date;
  }
  constexpr std::string_view ago = "ago";
  if (text.ends_with(ago)) {
    text = trim(text.substr(0, text.size() - ago.size()));
  }
  const auto length = parse_length(text);
  return length && length->count() <= longest_ago ? std::optional(now - *length) : std::nullopt;
}

}  // namespace mlpipe
