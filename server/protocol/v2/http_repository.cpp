// The repository extension of the Open Inference Protocol v2, for the admin port.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "pipeline/base/text.hpp"
#include "pipeline/model/model.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/loading.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/describe.hpp"
#include "server/protocol/v2/repository.hpp"

namespace mlpipe {
namespace {

// The fields of a body that may be left out.
class OptionalBody {
 public:
  OptionalBody(const Request& request, const std::vector<std::string>& known)
      : body_(request.body.empty() ? std::string_view("{}") : std::string_view(request.body)),
        fields_(JsonBody::fields(body_.object(), "", known)) {
    require_json_type(request);
  }

  const JsonField& field(std::size_t index) const { return fields_[index]; }

  std::vector<JsonField> parameters(std::size_t index, const std::vector<std::string>& known) const {
    if (!fields_[index]) {
      return std::vector<JsonField>(known.size());
    }
    simdjson::dom::object object;
    if (fields_[index]->get(object) != simdjson::SUCCESS) {
      throw RequestError(400, "parameters: an object is expected");
    }
    return JsonBody::fields(object, "parameters", known);
  }

 private:
  JsonBody body_;
  std::vector<JsonField> fields_;
};

std::optional<std::string> version_in(const JsonField& field) {
  return field ? std::optional(read_text(*field, "parameters.version")) : std::nullopt;
}

bool is_loaded(const EngineState& state, const std::string& model) {
  return std::any_of(state.models.begin(), state.models.end(),
                     [&](const ServedModel& each) { return each.name == model; });
}

// What is loaded, wherever it lies, and then what else the repository has.
Response index(const Engine& engine, const ModelRepository& repository, const Request& request) {
  const OptionalBody body(request, {"ready"});
  bool is_only_ready = false;
  if (body.field(0) && body.field(0)->get(is_only_ready) != simdjson::SUCCESS) {
    throw RequestError(400, "ready: true or false is expected");
  }
  const EngineState state = engine.state();
  std::set<std::pair<std::string, std::string>> loaded;
  ProtocolJson list = ProtocolJson::array();
  for (const ServedModel& model : state.models) {
    for (const ServedModel::Version& each : model.versions) {
      list.push_back(
          {{"name", model.name}, {"version", each.version->label()}, {"state", "READY"}, {"reason", ""}});
      loaded.emplace(model.name, each.version->label());
    }
  }
  for (const std::string& model : is_only_ready ? std::vector<std::string>() : repository.models()) {
    for (const std::string& version : repository.versions(model)) {
      if (!loaded.contains({model, version})) {
        const bool has_failed = state.load.phase == LoadAttempt::Phase::failed &&
                                state.load.directory == repository.directory(model, version);
        list.push_back({{"name", model},
                        {"version", version},
                        {"state", "UNAVAILABLE"},
                        {"reason", has_failed ? state.load.error : "not loaded"}});
      }
    }
  }
  return json_document(list);
}

// The folder's name is what its model is asked for by; model.yaml must not say otherwise.
void require_name(const std::filesystem::path& directory, const std::string& model) {
  std::string name;
  try {
    name = read_model(directory).name;
  } catch (const Error& failure) {
    throw RequestError(422, fmt::format("model: {}", split(failure.what(), '\n').front()));
  }
  if (name != model) {
    throw RequestError(422, fmt::format("model: the folder is '{}', but {} calls the model '{}'", model,
                                        (directory / model_file).string(), printable(name)));
  }
}

// A model that is loaded gives way to the version, as Triton has it; others are left alone.
Response load(Engine& engine, const ModelRepository& repository, const Request& request,
              const std::string& model) {
  const OptionalBody body(request, {"parameters"});
  const auto parameters = body.parameters(0, {"version", "takeover"});
  const Engine::Takeover wanted = takeover_named(parameters[1], "parameters.takeover");
  const ModelRepository::Place place = repository.find(model, version_in(parameters[0]));
  require_name(place.directory, model);
  const Engine::Takeover takeover = is_loaded(engine.state(), model) ? wanted : Engine::Takeover::beside;
  return load_for_request(engine, place.directory, place.version, takeover, "model");
}

Response unload(Engine& engine, const Request& request, const std::string& model) {
  const OptionalBody body(request, {"parameters"});
  const auto parameters = body.parameters(0, {"version", "unload_dependents"});  // no model has dependents
  try {
    engine.unload(model, version_in(parameters[0]).value_or(""));
  } catch (const UnknownModel& failure) {
    throw RequestError(404, failure.what());
  }
  return json_document(ProtocolJson::object());
}

}  // namespace

std::vector<Route> repository_routes(Engine& engine, const std::filesystem::path& folder) {
  const ModelRepository repository(folder);
  return {
      {"GET", "/v2",
       [](const Request&, const PathValues&) {
         return json_document(
             {{"name", "mlpipe-serve"}, {"version", MLPIPE_VERSION}, {"extensions", {"model_repository"}}});
       }},
      {"POST", "/v2/repository/index",
       [&engine, repository](const Request& request, const PathValues&) {
         return index(engine, repository, request);
       }},
      {"POST", "/v2/repository/models/{name}/load",
       [&engine, repository](const Request& request, const PathValues& path) {
         return load(engine, repository, request, path[0]);
       }},
      {"POST", "/v2/repository/models/{name}/unload",
       [&engine](const Request& request, const PathValues& path) {
         return unload(engine, request, path[0]);
       }}};
}

}  // namespace mlpipe
