#pragma once

#include <string_view>
#include <vector>

#include "server/filter/request_id.hpp"
#include "server/http/message.hpp"

namespace mlpipe {

// What a client calls its request, as the headers say it; empty where they do not.
struct ClientsNames {
  std::string_view request_id;
  std::string_view traceparent;
  std::string_view tracestate;
};

// Gives the record an id, the client's when it is sane, and where the client names a trace a span of that.
void identify(RequestRecord& record, const ClientsNames& names, UniqueNumbers& numbers);

// What the answer repeats of it: X-Request-Id, and traceparent and tracestate where there is a trace.
std::vector<Header> identity_headers(const RequestRecord& record);

}  // namespace mlpipe
