#include "server/filter/request_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "server/protocol/json.hpp"

namespace mlpipe {
namespace {

using Clock = std::chrono::steady_clock;

std::string line_of(const ObservedAnswer& answer, bool failed, std::uint64_t held_back) {
  JsonBuffer line;
  const auto now = std::chrono::system_clock::now();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  fmt::format_to(std::back_inserter(line),
                 R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","event":"request")",
                 fmt::gmtime(std::chrono::system_clock::to_time_t(now)), milliseconds.count() % 1000,
                 failed ? "error" : "info");
  const auto text = [&line](std::string_view name, std::string_view value) {
    if (!value.empty()) {
      fmt::format_to(std::back_inserter(line), R"(,"{}":)", name);
      append_text(line, value);
    }
  };
  const RequestRecord& record = answer.record;
  text("id", record.id);
  text("trace", record.trace.id);
  text("span", record.trace.span);
  text("parent", record.trace.parent);
  text("method", record.method);
  text("route", record.route);
  fmt::format_to(std::back_inserter(line), R"(,"status":{})", answer.status);
  text("code", answer.code);
  fmt::format_to(std::back_inserter(line), R"(,"ms":{:.3f},"bytes":{})",
                 std::chrono::duration<double, std::milli>(Clock::now() - record.arrived).count(),
                 answer.bytes);
  text("model", record.model);
  text("version", record.version);
  if (failed) {
    constexpr std::size_t most_shown = 1000;
    text("answer", answer.said.substr(0, most_shown));
  }
  if (held_back > 0) {
    fmt::format_to(std::back_inserter(line), R"(,"held_back":{})", held_back);
  }
  append_raw(line, "}");
  return fmt::to_string(line);
}

}  // namespace

// Lets so many lines a second pass, and counts the others.
class RequestLog::LineBudget {
 public:
  // How many were held back since the last line that passed; nothing when this one may not.
  std::optional<std::uint64_t> take(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      lines_ = 0;
    }
    if (lines_ == most_lines) {
      ++held_back_;
      return std::nullopt;
    }
    ++lines_;
    return std::exchange(held_back_, 0);
  }

 private:
  static constexpr unsigned most_lines = 10;
  std::mutex mutex_;
  Clock::time_point second_;
  unsigned lines_ = 0;
  std::uint64_t held_back_ = 0;
};

RequestLog::RequestLog(ObservationOptions options)
    : options_(std::move(options)), budget_(std::make_unique<LineBudget>()) {}

RequestLog::~RequestLog() = default;

void RequestLog::log(const ObservedAnswer& answer) {
  const bool failed = answer.status >= 500;
  std::uint64_t held_back = 0;
  if (!options_.access_log) {
    if (!failed) {
      return;
    }
    if (answer.status == 503) {
      const std::optional<std::uint64_t> passes = budget_->take(Clock::now());
      if (!passes) {
        return;
      }
      held_back = *passes;
    }
  }
  options_.write(line_of(answer, failed, held_back));
}

}  // namespace mlpipe
