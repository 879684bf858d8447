#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mlpipe {

// What a traceparent header says (W3C Trace Context, level 1): the trace that a request belongs to, and the
// span of who sent it.
struct TraceContext {
  std::string trace_id;  // 32 hexadecimal digits
  std::string span_id;   // 16
  std::string flags;     // 2

  std::string header() const { return "00-" + trace_id + "-" + span_id + "-" + flags; }
};

// Nothing for a header that is not as the recommendation has it, which is to be ignored then. Of a later
// version it reads what that is sure to have in common with this one.
std::optional<TraceContext> parse_traceparent(std::string_view header);

// Whether a tracestate header may be passed on: printable and at most 512 characters.
bool is_sane_tracestate(std::string_view header);

}  // namespace mlpipe
