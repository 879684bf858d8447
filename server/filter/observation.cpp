#include "server/filter/observation.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/text.hpp"
#include "server/filter/request_id.hpp"
#include "server/filter/trace_context.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {
namespace {

using Clock = std::chrono::steady_clock;

// Lets so many lines a second pass, and counts the others.
class LineBudget {
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

struct Observed {
  std::string_view method;
  int status = 0;
  std::chrono::nanoseconds duration{0};
  std::string_view body;  // of the answer
  const RequestRecord& record;
  const std::optional<TraceContext>& span;
  std::string_view parent_span;
};

class RequestLog {
 public:
  explicit RequestLog(ObservationOptions options) : options_(std::move(options)) {}

  void log(const Observed& observed) {
    const bool failed = observed.status >= 500;
    std::uint64_t held_back = 0;
    if (!options_.access_log) {
      if (!failed) {
        return;
      }
      if (observed.status == 503) {
        const std::optional<std::uint64_t> passes = budget_.take(Clock::now());
        if (!passes) {
          return;
        }
        held_back = *passes;
      }
    }
    options_.write(line_of(observed, failed, held_back));
  }

 private:
  static std::string line_of(const Observed& observed, bool failed, std::uint64_t held_back) {
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
    text("id", observed.record.id);
    if (observed.span) {
      text("trace", observed.span->trace_id);
      text("span", observed.span->span_id);
      text("parent", observed.parent_span);
    }
    text("method", observed.method);
    text("route", observed.record.route);
    fmt::format_to(std::back_inserter(line), R"(,"status":{},"ms":{:.3f},"bytes":{})", observed.status,
                   static_cast<double>(observed.duration.count()) / 1e6, observed.body.size());
    text("model", observed.record.model);
    text("version", observed.record.version);
    if (failed) {
      constexpr std::size_t most_shown = 1000;
      text("answer", observed.body.substr(0, most_shown));
    }
    if (held_back > 0) {
      fmt::format_to(std::back_inserter(line), R"(,"held_back":{})", held_back);
    }
    append_raw(line, "}");
    return fmt::to_string(line);
  }

  ObservationOptions options_;
  LineBudget budget_;
};

std::string request_id(const Request& request, UniqueNumbers& numbers) {
  const std::string_view given = request.header("X-Request-Id");
  return is_sane_request_id(given) ? std::string(given) : hexadecimal(numbers.next());
}

// Requests of clients that name a trace have these; the others cost nothing.
struct Trace {
  std::optional<TraceContext> span;  // the server's own
  std::string parent_span;
  std::string state;
};

Trace trace_of(const Request& request, UniqueNumbers& numbers) {
  Trace trace;
  const std::string_view header = request.header("traceparent");
  if (header.empty()) {
    return trace;
  }
  trace.span = parse_traceparent(header);
  if (trace.span) {
    trace.parent_span = std::exchange(trace.span->span_id, hexadecimal(numbers.next()));
    const std::string_view state = request.header("tracestate");
    if (is_sane_tracestate(state)) {
      trace.state = state;
    }
  }
  return trace;
}

// What is known of a request while it is answered.
struct Observation {
  RequestRecord record;
  Trace trace;
  std::string method;
  Clock::time_point start = Clock::now();
};

void name_in(Response& response, const RequestRecord& record, const Trace& trace) {
  response.headers.push_back({"X-Request-Id", record.id});
  if (trace.span) {
    response.headers.push_back({"traceparent", trace.span->header()});
    if (!trace.state.empty()) {
      response.headers.push_back({"tracestate", trace.state});
    }
  }
}

}  // namespace

Filter observation(ObservationOptions options) {
  const auto log = std::make_shared<RequestLog>(std::move(options));
  const auto numbers = std::make_shared<UniqueNumbers>();
  return [log, numbers](Request request, Respond respond, const Answer& next) {
    const auto observation = std::make_shared<Observation>();
    observation->record.id = request_id(request, *numbers);
    observation->trace = trace_of(request, *numbers);
    observation->method = request.method.substr(0, 20);
    request.record = {observation, &observation->record};
    next(std::move(request), [log, observation, respond = std::move(respond)](Response response) {
      log->log({observation->method, response.status, Clock::now() - observation->start, response.body,
                observation->record, observation->trace.span, observation->trace.parent_span});
      name_in(response, observation->record, observation->trace);
      respond(std::move(response));
    });
  };
}

Refuse observed_refusal(ObservationOptions options, Refuse refuse) {
  const auto log = std::make_shared<RequestLog>(std::move(options));
  const auto numbers = std::make_shared<UniqueNumbers>();
  return [log, numbers, refuse = std::move(refuse)](int status, std::string_view why) {
    Response response = refuse(status, why);
    const RequestRecord record{hexadecimal(numbers->next()), "refused", "", ""};
    const Trace none;
    log->log({"", response.status, std::chrono::nanoseconds(0), response.body, record, none.span, ""});
    name_in(response, record, none);
    return response;
  };
}

}  // namespace mlpipe
