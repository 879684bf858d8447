#include "server/filter/cors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr const char* any_origin = "*";

// "scheme://host", with a port perhaps, as browsers send it: without a path, and no slash at the end.
bool is_origin(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (text == any_origin) {
    return true;
  }
  if (scheme == std::string_view::npos || scheme == 0) {
    return false;
  }
  const std::string_view host = text.substr(scheme + 3);
  return !host.empty() && host.find_first_of("/?#@, \t\r\n") == std::string_view::npos;
}

bool is_preflight(const Request& request) {
  return request.method == "OPTIONS" && !request.header("Access-Control-Request-Method").empty();
}

Response preflight_answer() {
  Response response{204, "text/plain", "", {}};
  response.headers = {
      {"Access-Control-Allow-Methods", "GET, HEAD, POST"},
      {"Access-Control-Allow-Headers",
       "Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length, X-Request-Id, "
       "traceparent, tracestate"},
      {"Access-Control-Max-Age", "600"}};
  return response;
}

void allow(Response& response, const std::string& origin) {
  response.headers.push_back({"Access-Control-Allow-Origin", origin});
  response.headers.push_back(
      {"Access-Control-Expose-Headers",
       "X-Request-Id, traceparent, tracestate, Retry-After, Inference-Header-Content-Length"});
}

}  // namespace

Filter cross_origin(std::vector<std::string> origins) {
  for (const std::string& origin : origins) {
    if (!is_origin(origin)) {
      throw UsageError(fmt::format("--cors-origin: '{}' is no origin", origin),
                       "an origin is like https://example.org or http://localhost:3000, or * for any");
    }
  }
  const bool allows_any = std::find(origins.begin(), origins.end(), any_origin) != origins.end();
  return [origins = std::move(origins), allows_any](Request request, Respond respond, const Answer& next) {
    const std::string origin(request.header("Origin"));
    const bool allowed =
        !origin.empty() && (allows_any || std::find(origins.begin(), origins.end(), origin) != origins.end());
    const auto answer = [respond = std::move(respond), allowed, allows_any, origin](Response response) {
      if (allowed) {
        allow(response, allows_any ? any_origin : origin);
      }
      if (!allows_any) {
        response.headers.push_back({"Vary", "Origin"});
      }
      respond(std::move(response));
    };
    if (allowed && is_preflight(request)) {
      answer(preflight_answer());
    } else {
      next(std::move(request), answer);
    }
  };
}

}  // namespace mlpipe
