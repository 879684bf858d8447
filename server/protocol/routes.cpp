#include "server/protocol/routes.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/operations.hpp"

namespace mlpipe {
namespace {

void append(std::vector<Route>& routes, std::vector<Route> more) {
  std::move(more.begin(), more.end(), std::back_inserter(routes));
}

}  // namespace

std::shared_ptr<const ModelVersion> serving_version(Engine& engine, const std::string& model,
                                                    const std::string& version_name) {
  std::shared_ptr<const ModelVersion> version;
  try {
    version = engine.pick(model, version_name);
  } catch (const UnknownModel& failure) {
    throw RequestError(engine.current() ? 404 : 503, failure.what());
  }
  if (!version) {
    throw RequestError(503, "the server is starting and has no model yet, try again");
  }
  return version;
}

std::shared_ptr<const ModelVersion> described_version(Engine& engine, const std::string& name,
                                                      const std::string& version) {
  if (version.empty()) {
    const EngineState state = engine.state();
    for (const ServedModel& model : state.models) {
      if (name.empty() || model.name == name) {
        return model.main();
      }
    }
  }
  return serving_version(engine, name, version);
}

std::size_t best_label(std::span<const float> scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

std::vector<Route> health_routes(Engine& engine) {
  return {{"GET", "/v2/health/live",
           [](const Request&, const PathValues&) {
             return Response{200, "application/json", R"({"live":true})"};
           },
           operation::live},
          {"GET", "/v2/health/ready",
           [&engine](const Request&, const PathValues&) {
             const EngineState::Phase phase = engine.state().phase;
             if (phase != EngineState::Phase::serving) {
               return error_response(503, std::string("the server is ") + phase_name(phase));
             }
             return Response{200, "application/json", R"({"ready":true})"};
           },
           operation::ready}};
}

std::vector<Route> metrics_routes(Engine& engine, Metrics& metrics) {
  return {{"GET", "/metrics",
           [&engine, &metrics](const Request&, const PathValues&) {
             return Response{200, "text/plain; version=0.0.4; charset=utf-8", metrics.text(engine.state())};
           },
           operation::metrics}};
}

Router public_router(Engine& engine, Metrics& metrics, const std::optional<FeedbackDesk>& feedback) {
  std::vector<Route> routes = predict_routes(engine, feedback.has_value());
  append(routes, classify_routes(engine));
  append(routes, kserve_routes(engine));
  append(routes, inference_routes(engine));
  if (feedback) {
    append(routes, feedback_routes(engine, *feedback));
  }
  append(routes, health_routes(engine));
  append(routes, metrics_routes(engine, metrics));
  append(routes, document_routes(engine, routes));
  return {std::move(routes), metrics};
}

Router admin_router(Engine& engine, Metrics& metrics, Administration administration) {
  std::vector<Route> routes = admin_routes(engine, std::move(administration));
  append(routes, health_routes(engine));
  append(routes, metrics_routes(engine, metrics));
  return {std::move(routes), metrics};
}

}  // namespace mlpipe
