#include "server/protocol/inference_call.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/operations.hpp"
#include "server/protocol/prediction.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

// {"predictions":[{"prediction":…},…]}
Response write_predictions(const ModelVersion& version, std::span<const float> scores) {
  JsonBuffer out;
  append_raw(out, R"({"predictions":)");
  PredictionWriter(version.model()).append_list(out, scores);
  out.push_back('}');
  return json_response(out);
}

InferenceCall read_instances(const std::shared_ptr<const ModelVersion>& version, const Request& request) {
  require_json_type(request);
  const JsonBody body(request);
  const auto fields = JsonBody::fields(body.object(), "", {"instances", "signature_name"});
  if (!fields[0]) {
    throw RequestError(400, R"(instances: it is missing, send {"instances": [[numbers], …]})");
  }
  simdjson::dom::array list;
  if (fields[0]->get(list) != simdjson::SUCCESS || list.size() == 0) {
    throw RequestError(400, "instances: a list of examples is expected");
  }
  Examples examples = read_examples(version->model(), *fields[0], "instances");
  if (!examples.is_batch) {
    throw RequestError(400, "instances: it is one example, a list of examples is expected");
  }
  InferenceCall call;
  call.rows = std::move(examples.rows);
  call.count = examples.count;
  call.place = [](std::size_t example) { return fmt::format("instances[{}]", example); };
  call.write = [version](const Inference& inference) {
    return write_predictions(*version, inference.scores);
  };
  return call;
}

Response list_models(const Engine& engine) {
  JsonBuffer out;
  append_raw(out, R"({"models":[)");
  bool is_first = true;
  for (const ServedModel& model : engine.state().models) {
    append_raw(out, std::exchange(is_first, false) ? "" : ",");
    append_text(out, model.name);
  }
  append_raw(out, "]}");
  return json_response(out);
}

Response show_model(Engine& engine, const std::string& name) {
  const std::shared_ptr<const ModelVersion> version = described_version(engine, name, "");
  JsonBuffer out;
  append_raw(out, R"({"name":)");
  append_text(out, version->model().name);
  append_raw(out, R"(,"ready":true})");
  return json_response(out);
}

}  // namespace

std::vector<Route> kserve_routes(Engine& engine) {
  return {{"GET", "/v1/models", [&engine](const Request&, const PathValues&) { return list_models(engine); },
           operation::kserve_models},
          {"POST", "/v1/models/{name}:predict",
           [&engine](const Request& request, const PathValues& path, const Respond& respond) {
             const std::shared_ptr<const ModelVersion> version = serving_version(engine, path[0]);
             answer_inference(
                 version, request, [&] { return read_instances(version, request); }, respond);
           },
           operation::kserve_predict},
          {"GET", "/v1/models/{name}",
           [&engine](const Request&, const PathValues& path) { return show_model(engine, path[0]); },
           operation::kserve_model}};
}

}  // namespace mlpipe
