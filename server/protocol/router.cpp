#include "server/protocol/router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "server/log.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {
namespace {

int hexadecimal_digit(char character) {
  if (character >= '0' && character <= '9') {
    return character - '0';
  }
  const char low = static_cast<char>(character | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// Percent-decoding; nothing for a broken escape.
std::optional<std::string> decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hexadecimal_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hexadecimal_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

bool is_variable(const std::string& part) {
  return part.starts_with('{');
}

// The values of the variables when the path fits.
std::optional<PathValues> match(const std::vector<std::string>& pattern,
                                const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) {
    return std::nullopt;
  }
  PathValues values;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (is_variable(pattern[i]) && !path[i].empty()) {
      std::optional<std::string> value = decode(path[i]);
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

}  // namespace

Router::Router(std::vector<Route> routes, Metrics& metrics) : metrics_(metrics) {
  for (Route& route : routes) {
    std::vector<std::string> parts = split(route.pattern, '/');
    entries_.push_back({std::move(route), std::move(parts)});
  }
}

Response Router::answer(const Request& request) const {
  const auto start = std::chrono::steady_clock::now();
  const Metrics::InFlight counted(metrics_);
  std::string pattern = "other";
  Response response;
  try {
    response = dispatch(request, pattern);
  } catch (const RequestError& failure) {
    response = error_response(failure.status(), failure.what());
  } catch (const std::exception& failure) {
    log_error("request failed", {{"path", pattern}, {"error", failure.what()}});
    response = error_response(500, failure.what());
  }
  metrics_.count_request(pattern, response.status, std::chrono::steady_clock::now() - start);
  return response;
}

Response Router::refuse(int status, std::string_view why) const {
  metrics_.count_request("refused", status, std::chrono::nanoseconds(0));
  Response response = error_response(status, why);
  if (status == 503) {
    response.headers.push_back({"Retry-After", "1"});
  }
  return response;
}

Response Router::dispatch(const Request& request, std::string& pattern) const {
  const std::vector<std::string> path = split(request.path, '/');
  std::vector<std::string> allowed;
  for (const Entry& entry : entries_) {
    const std::optional<PathValues> values = match(entry.parts, path);
    if (!values) {
      continue;
    }
    const std::string& method = entry.route.method;
    pattern = entry.route.pattern;
    if (request.method == method || (method == "GET" && request.method == "HEAD")) {
      return entry.route.answer(request, *values);
    }
    allowed.push_back(method);
    if (method == "GET") {
      allowed.emplace_back("HEAD");
    }
  }
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

}  // namespace mlpipe
