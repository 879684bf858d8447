#pragma once

#include <memory>

#include "server/feedback/recent_examples.hpp"
#include "server/http/server.hpp"
#include "server/options.hpp"
#include "server/port_secrets.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {

// What the public port answers with: its routes behind the filters that the options ask for. Null credentials
// let everybody ask; with null `recent` no example is remembered. The router must outlive the handler.
HttpHandler public_handler(const Router& router, const ServeOptions& options, SharedCredentials credentials,
                           std::shared_ptr<RecentExamples> recent);

// The same for the admin port, where everybody may ask for health and metrics only.
HttpHandler admin_handler(const Router& router, const ServeOptions& options, const HttpLimits& limits,
                          SharedCredentials credentials);

}  // namespace mlpipe
