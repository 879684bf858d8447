#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"
#include "server/log.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/loading.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr int longest_lease = 86'400;  // seconds

Response respond(const Json& document, int status = 200) {
  return {status, "application/json", document.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Json describe(const ServedModel& model) {
  Json versions = Json::array();
  for (const ServedModel::Version& each : model.versions) {
    Json version = describe_version(*each.version);
    version["weight"] = each.weight;
    versions.push_back(std::move(version));
  }
  return {{"name", model.name}, {"aliases", model.aliases}, {"versions", std::move(versions)}};
}

Response describe(const ReloadReport& report) {
  Json parts = Json::array();
  for (const ReloadReport::Part& part : report.parts) {
    parts.push_back({{"what", part.what}, {"ok", part.error.empty()}});
    if (!part.error.empty()) {
      parts.back()["error"] = part.error;
    }
  }
  if (const std::string error = report.error(); !error.empty()) {
    return respond({{"error", error}, {"parts", std::move(parts)}}, 422);
  }
  return respond({{"parts", std::move(parts)}});
}

Response show_state(const Engine& engine) {
  const EngineState state = engine.state();
  Json document = {{"state", phase_name(state.phase)}};
  if (state.current) {
    document.update(describe_version(*state.current));
  }
  Json load = {{"state", phase_name(state.load.phase)},
               {"version", state.load.version},
               {"directory", state.load.directory.string()},
               {"milliseconds", state.load.duration.count()}};
  if (!state.load.error.empty()) {
    load["error"] = state.load.error;
  }
  document["load"] = std::move(load);
  document["models"] = Json::array();
  for (const ServedModel& model : state.models) {
    document["models"].push_back(describe(model));
  }
  return respond(document);
}

std::string required_text(const JsonField& field, const std::string& name) {
  if (!field) {
    throw RequestError(400, fmt::format("{}: it is missing", name));
  }
  std::string text = read_text(*field, name);
  if (text.empty() || text.size() > 4096 || printable(text) != text || text.find('\n') != std::string::npos) {
    throw RequestError(400, fmt::format("{}: a text of 1 to 4096 characters in one line is expected", name));
  }
  return text;
}

Response load(Engine& engine, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"directory", "version", "takeover"});
  const std::filesystem::path directory = required_text(fields[0], "directory");
  const std::string label = required_text(fields[1], "version");
  if (!directory.is_absolute()) {
    throw RequestError(400, fmt::format("directory: '{}' is not an absolute path", directory.string()));
  }
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    throw RequestError(400, fmt::format("directory: '{}' is no folder here", directory.string()));
  }
  return load_for_request(engine, directory, label, takeover_named(fields[2], "takeover"), "directory");
}

const ServedModel& model_in(const EngineState& state, const std::string& name) {
  const auto found = std::find_if(state.models.begin(), state.models.end(),
                                  [&](const ServedModel& model) { return model.name == name; });
  if (found == state.models.end()) {
    throw RequestError(404, fmt::format("model: '{}' was unloaded meanwhile", name));
  }
  return *found;
}

// Changes how a model is shared out with `change`, and shows it.
Response changed_model(Engine& engine, const std::string& name, const char* what,
                       const std::function<void()>& change) {
  try {
    change();
  } catch (const UnknownModel& failure) {
    throw RequestError(404, failure.what());
  } catch (const UsageError& failure) {
    throw RequestError(400, failure.what());
  }
  const EngineState state = engine.state();
  const Json document = describe(model_in(state, name));
  log_info(what, {{"model", name}});
  return respond(document);
}

Response set_weights(Engine& engine, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"model", "weights", "lease"});
  const std::string model = required_text(fields[0], "model");
  simdjson::dom::object given;
  if (!fields[1] || fields[1]->get(given) != simdjson::SUCCESS) {
    throw RequestError(400, R"(weights: an object is expected, as in {"1": 90, "2": 10})");
  }
  std::map<std::string, double> weights;
  for (const simdjson::dom::key_value_pair each : given) {
    double weight = 0;
    if (each.value.get(weight) != simdjson::SUCCESS) {
      throw RequestError(400, fmt::format("weights.{}: a number is expected", printable(each.key)));
    }
    if (!weights.emplace(each.key, weight).second) {
      throw RequestError(400, fmt::format("weights.{}: it is given twice", printable(each.key)));
    }
  }
  std::optional<std::chrono::milliseconds> lease;
  if (fields[2]) {
    double seconds = 0;
    if (fields[2]->get(seconds) != simdjson::SUCCESS || seconds <= 0 || seconds > longest_lease) {
      throw RequestError(400, fmt::format("lease: a number of seconds up to {} is expected", longest_lease));
    }
    lease = std::chrono::milliseconds(static_cast<long>(seconds * 1000));
  }
  return changed_model(engine, model, "weights", [&] { engine.set_weights(model, weights, lease); });
}

Response set_alias(Engine& engine, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"model", "alias", "version"});
  const std::string model = required_text(fields[0], "model");
  const std::string alias = required_text(fields[1], "alias");
  const std::string version = required_text(fields[2], "version");
  return changed_model(engine, model, "alias", [&] { engine.set_alias(model, alias, version); });
}

}  // namespace

std::vector<Route> admin_routes(Engine& engine, Administration administration) {
  std::vector<Route> routes = {
      {"GET", "/admin/state", [&engine](const Request&, const PathValues&) { return show_state(engine); }},
      {"POST", "/admin/load",
       [&engine](const Request& request, const PathValues&) { return load(engine, request); }},
      {"POST", "/admin/reload",
       [reload = std::move(administration.reload)](const Request&, const PathValues&) {
         return describe(reload());
       }},
      {"POST", "/admin/weights",
       [&engine](const Request& request, const PathValues&) { return set_weights(engine, request); }},
      {"POST", "/admin/alias",
       [&engine](const Request& request, const PathValues&) { return set_alias(engine, request); }},
      {"POST", "/admin/stop",
       [stop = std::move(administration.request_stop)](const Request&, const PathValues&) {
         stop();
         return respond({{"state", "draining"}}, 202);
       }}};
  const auto append = [&routes](std::vector<Route> more) {
    std::move(more.begin(), more.end(), std::back_inserter(routes));
  };
  if (!administration.repository.empty()) {
    append(repository_routes(engine, administration.repository));
  }
  if (administration.feedback) {
    append(feedback_export_routes(engine, *administration.feedback));
  }
  return routes;
}

}  // namespace mlpipe
