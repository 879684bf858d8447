#pragma once

#include <functional>
#include <vector>

#include "server/http/message.hpp"

namespace mlpipe {

// What answers requests: a router, or filters in front of one.
using Answer = std::function<void(Request, Respond)>;

// Stands between the transport and what answers. It answers itself, or hands the request on to `next`,
// changed or not, with a Respond that may change the answer. Called from several threads at once.
using Filter = std::function<void(Request request, Respond respond, const Answer& next)>;

// The filters one after the other, the first of them the outermost, and then `last`.
Answer chain(std::vector<Filter> filters, Answer last);

}  // namespace mlpipe
