#pragma once

#include <functional>
#include <string_view>

#include "server/filter/filter.hpp"

namespace mlpipe {

struct ObservationOptions {
  bool access_log = false;  // a line for every request, besides those for 5xx
  // Takes one line of JSON; called from several threads at once.
  std::function<void(std::string_view line)> write;
};

// Gives every request an id (the client's X-Request-Id when it is sane), a span of the trace that its
// traceparent names, and a record; the answer repeats them. Logs requests: method, route, status, duration,
// version, ids; neither bodies nor credentials. An answer of 5xx is always logged with what it says, but of
// those that only turn somebody away (503) not more than ten a second, so that an overload does not grow by
// its log. The outermost filter, because it times the others too.
Filter observation(ObservationOptions options);

// The same for what the transport answers without a request.
using Refuse = std::function<Response(int status, std::string_view why)>;
Refuse observed_refusal(ObservationOptions options, Refuse refuse);

}  // namespace mlpipe
