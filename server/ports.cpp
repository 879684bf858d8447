#include "server/ports.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include "server/filter/authentication.hpp"
#include "server/filter/compression.hpp"
#include "server/filter/cors.hpp"
#include "server/filter/example_keeping.hpp"
#include "server/filter/observation.hpp"
#include "server/log.hpp"

namespace mlpipe {
namespace {

HttpHandler handler_of(const Router& router, std::vector<Filter> filters,
                       const ObservationOptions& observation) {
  const auto refuse = [&router](int status, std::string_view why) { return router.refuse(status, why); };
  const auto answer = [&router](const Request& request, const Respond& respond) {
    router.answer(request, respond);
  };
  return {chain(std::move(filters), answer), observed_refusal(observation, refuse)};
}

}  // namespace

HttpHandler public_handler(const Router& router, const ServeOptions& options, SharedCredentials credentials,
                           std::shared_ptr<RecentExamples> recent) {
  const ObservationOptions observed{options.access_log, log_line};
  std::vector<Filter> filters = {observation(observed)};
  if (!options.cors_origins.empty()) {
    filters.push_back(cross_origin(options.cors_origins));
  }
  if (credentials) {
    filters.push_back(authentication(std::move(credentials), health_paths()));
  }
  filters.push_back(compression(options.limits.body_bytes));
  if (recent) {
    filters.push_back(example_keeping(std::move(recent)));
  }
  return handler_of(router, std::move(filters), observed);
}

HttpHandler admin_handler(const Router& router, const ServeOptions& options, const HttpLimits& limits,
                          SharedCredentials credentials) {
  const ObservationOptions observed{options.access_log, log_line};
  std::vector<std::string> open = health_paths();
  open.emplace_back("/metrics");
  return handler_of(router,
                    {observation(observed), authentication(std::move(credentials), std::move(open)),
                     compression(limits.body_bytes)},
                    observed);
}

}  // namespace mlpipe
