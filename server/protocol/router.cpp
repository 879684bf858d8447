#include "server/protocol/router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "pipeline/base/text.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/url.hpp"

namespace mlpipe {
namespace {

// What stands in the path for a part of a pattern, "{name}" or "{name}:predict"; nothing where it does not
// fit.
std::optional<std::string_view> value_at(std::string_view pattern, std::string_view part) {
  const std::string_view suffix = pattern.substr(pattern.find('}') + 1);
  if (part.size() <= suffix.size() || !part.ends_with(suffix)) {
    return std::nullopt;
  }
  return part.substr(0, part.size() - suffix.size());
}

// The values of the variables when the path fits.
std::optional<PathValues> match(const std::vector<std::string>& pattern,
                                const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) {
    return std::nullopt;
  }
  PathValues values;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern[i].starts_with('{')) {
      const std::optional<std::string_view> part = value_at(pattern[i], path[i]);
      std::optional<std::string> value = part ? decode_percent(*part) : std::nullopt;
      if (!value) {
        return std::nullopt;
      }
      values.push_back(std::move(*value));
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return values;
}

// For a path that is unknown, or that takes other methods.
Response response_to_unknown(const Request& request, const std::vector<std::string>& allowed) {
  const std::string shown_path = printable(request.path.substr(0, 200));
  if (allowed.empty()) {
    return error_response(404, fmt::format("path: {} is unknown here", shown_path));
  }
  Response response =
      error_response(405, fmt::format("method: {} takes {}, not {}", shown_path, join(allowed, " or "),
                                      printable(request.method.substr(0, 20))));
  response.headers.push_back({"Allow", join(allowed, ", ")});
  return response;
}

}  // namespace

Route::Route(std::string wanted_method, std::string wanted_pattern, AnswerAtOnce at_once,
             DescribeOperation described)
    : method(std::move(wanted_method)),
      pattern(std::move(wanted_pattern)),
      answer([at_once = std::move(at_once)](const Request& request, const PathValues& values,
                                            const Respond& respond) { respond(at_once(request, values)); }),
      describe(described) {}

Route::Route(std::string wanted_method, std::string wanted_pattern, AnswerLater later,
             DescribeOperation described)
    : method(std::move(wanted_method)),
      pattern(std::move(wanted_pattern)),
      answer(std::move(later)),
      describe(described) {}

Response failure_response(const Failure& failure) {
  Response response = error_response(failure.status, failure.message);
  if (failure.status == 503) {
    response.headers.push_back({"Retry-After", "1"});
  }
  return response;
}

Response response_to(const std::exception_ptr& failure, const std::string& pattern) {
  return failure_response(failure_of(failure, pattern));
}

Router::Router(std::vector<Route> routes, Metrics& metrics) : metrics_(metrics) {
  for (Route& route : routes) {
    std::vector<std::string> parts = split(route.pattern, '/');
    entries_.push_back({std::move(route), std::move(parts)});
  }
}

void Router::answer(const Request& request, const Respond& respond) const {
  const auto start = std::chrono::steady_clock::now();
  const Found found = find(request);
  if (request.record) {
    request.record->route = found.pattern;
  }
  const auto counted = [this, start, respond, pattern = found.pattern,
                        in_flight = std::make_shared<Metrics::InFlight>(metrics_)](Response response) {
    metrics_.count_request(pattern, response.status, std::chrono::steady_clock::now() - start);
    respond(std::move(response));
  };
  if (found.entry == nullptr) {
    counted(response_to_unknown(request, found.allowed));
    return;
  }
  try {
    found.entry->route.answer(request, found.values, counted);
  } catch (...) {
    counted(response_to(std::current_exception(), found.pattern));
  }
}

std::vector<std::string> Router::routes() const {
  std::vector<std::string> all;
  for (const Entry& entry : entries_) {
    all.push_back(entry.route.method + " " + entry.route.pattern);
  }
  return all;
}

Response Router::refuse(int status, std::string_view why) const {
  metrics_.count_request("refused", status, std::chrono::nanoseconds(0));
  return failure_response({status, std::string(why)});
}

Router::Found Router::find(const Request& request) const {
  const std::vector<std::string> path = split(request.path, '/');
  Found found;
  for (const Entry& entry : entries_) {
    std::optional<PathValues> values = match(entry.parts, path);
    if (!values) {
      continue;
    }
    const std::string& method = entry.route.method;
    found.pattern = entry.route.pattern;
    if (request.method == method || (method == "GET" && request.method == "HEAD")) {
      found.entry = &entry;
      found.values = std::move(*values);
      return found;
    }
    found.allowed.push_back(method);
    if (method == "GET") {
      found.allowed.emplace_back("HEAD");
    }
  }
  return found;
}

}  // namespace mlpipe
