#pragma once

#include <functional>
#include <string_view>

#include "server/filter/filter.hpp"
#include "server/filter/request_log.hpp"

namespace mlpipe {

// Gives every request an id (the client's X-Request-Id when it is sane), a span of the trace that its
// traceparent names, and a record where it has none yet; the answer repeats them. Logs requests: method,
// route, status, duration, version, ids. The outermost filter, because it times the others too.
Filter observation(ObservationOptions options);

// The same for what the transport answers by itself: without a request, or in place of an answer that does
// not come in time; then the record is that request's, and its own answer is not logged any more.
using Refuse = std::function<Response(int status, std::string_view why)>;
using RefuseRequest = std::function<Response(int status, std::string_view why, RequestRecord* request)>;
RefuseRequest observed_refusal(ObservationOptions options, Refuse refuse);

}  // namespace mlpipe
