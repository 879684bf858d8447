#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/protocol/feedback.hpp"
#include "server/protocol/metrics.hpp"
#include "server/protocol/reload.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {

// The groups of routes that a port can have. Engine and metrics must outlive the routes.

// GET /, the page; GET /model, what the page needs to know of the model and whether feedback is taken; POST
// /predict, and /predict/ for a picture.
std::vector<Route> predict_routes(Engine& engine, bool takes_feedback);

// POST /classify: a picture's best classes.
std::vector<Route> classify_routes(Engine& engine);

// GET /v1/models, /v1/models/{name}, POST /v1/models/{name}:predict: KServe's protocol v1.
std::vector<Route> kserve_routes(Engine& engine);

// GET /v2, /v2/models/…, POST …/infer: the Open Inference Protocol v2, implemented in v2/.
std::vector<Route> inference_routes(Engine& engine);

// GET /v2/health/live, /v2/health/ready.
std::vector<Route> health_routes(Engine& engine);

// GET /metrics.
std::vector<Route> metrics_routes(Engine& engine, Metrics& metrics);

// GET /openapi.json and GET /docs, a page that shows it: the OpenAPI 3.1 document of `others` and of these
// two, with schemas of the models that are loaded when it is asked for; implemented in openapi/. Throws Error
// for a route that does not describe itself.
std::vector<Route> document_routes(Engine& engine, const std::vector<Route>& others);

struct Administration {
  std::function<void()> request_stop;         // makes the program drain and end; returns at once
  std::function<ReloadReport()> reload;       // takes up what changed on disk
  std::filesystem::path repository = {};      // a folder of models to load by name; empty: there is none
  std::optional<FeedbackDesk> feedback = {};  // what is exported; nothing: none is taken
};

// GET /v2, POST /v2/repository/…: the protocol's extension that loads and unloads what is in a folder, see
// v2/repository.hpp.
std::vector<Route> repository_routes(Engine& engine, const std::filesystem::path& folder);

// GET /admin/state, POST /admin/load, /admin/reload, /admin/weights, /admin/alias, /admin/stop, and those of
// repository and feedback where there are such. Who may ask is for a filter to say.
std::vector<Route> admin_routes(Engine& engine, Administration administration);

// All that the public port has, and all that the admin port has.
Router public_router(Engine& engine, Metrics& metrics, const std::optional<FeedbackDesk>& feedback = {});
Router admin_router(Engine& engine, Metrics& metrics, Administration administration);

// Shared by the routes: the version that is to answer, see Engine::pick; RequestError 404 for one that is
// unknown, 503 while there is none at all.
std::shared_ptr<const ModelVersion> serving_version(Engine& engine, const std::string& model = "",
                                                    const std::string& version_name = "");

// The version that stands for a model where it is described: no share of its traffic is used up.
std::shared_ptr<const ModelVersion> described_version(Engine& engine, const std::string& model,
                                                      const std::string& version);

// The index of the largest score, the first of equals.
std::size_t best_label(std::span<const float> scores);

}  // namespace mlpipe
