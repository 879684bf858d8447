#include "server/filter/request_identity.hpp"

#include <optional>
#include <string>
#include <utility>

#include "server/filter/trace_context.hpp"

namespace mlpipe {

void identify(RequestRecord& record, const ClientsNames& names, UniqueNumbers& numbers) {
  record.id =
      is_sane_request_id(names.request_id) ? std::string(names.request_id) : hexadecimal(numbers.next());
  if (names.traceparent.empty()) {
    return;
  }
  std::optional<TraceContext> context = parse_traceparent(names.traceparent);
  if (context) {
    record.trace = {std::move(context->trace_id), hexadecimal(numbers.next()), std::move(context->span_id),
                    std::move(context->flags),
                    is_sane_tracestate(names.tracestate) ? std::string(names.tracestate) : std::string()};
  }
}

std::vector<Header> identity_headers(const RequestRecord& record) {
  std::vector<Header> headers = {{"X-Request-Id", record.id}};
  const RequestTrace& trace = record.trace;
  if (!trace.id.empty()) {
    headers.push_back({"traceparent", TraceContext{trace.id, trace.span, trace.flags}.header()});
    if (!trace.state.empty()) {
      headers.push_back({"tracestate", trace.state});
    }
  }
  return headers;
}

}  // namespace mlpipe
