// The routes that the Open Inference Protocol v2 has on the public port.
#include <memory>
#include <utility>

#include "server/protocol/inference_call.hpp"
#include "server/protocol/operations.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/describe.hpp"
#include "server/protocol/v2/http_infer.hpp"
#include "server/protocol/v2/service.hpp"

namespace mlpipe {
namespace {

using Service = std::shared_ptr<InferenceService>;

std::string version_in(const PathValues& path) {
  return path.size() > 1 ? path[1] : "";
}

Response describe_server(const InferenceService& service) {
  const ServerDescription server = service.describe_server();
  return json_document(
      {{"name", server.name},
       {"version", server.version},
       {"extensions", {"binary_tensor_data", "classification", "model_configuration", "statistics"}}});
}

Response model_ready(InferenceService& service, const PathValues& path) {
  return json_document({{"name", path[0]}, {"ready", service.is_ready(path[0], version_in(path))}});
}

Response written(const InferResult& result) {
  if (const auto* failure = std::get_if<Failure>(&result)) {
    return failure_response(*failure);
  }
  try {
    return write_http_infer(std::get<InferAnswer>(result));
  } catch (...) {
    return response_to(std::current_exception(), "infer");
  }
}

void infer(InferenceService& service, const Request& request, const PathValues& path,
           const Respond& respond) {
  service.infer(
      path[0], version_in(path), [&](const Model& model) { return read_http_infer(request, model); },
      {EngineClock::time_point::max(), request.cancelled,
       [&request](const ModelVersion& version, std::span<const float> rows, std::size_t count) {
         tell_who_answers(request, version, rows, count);
       }},
      [respond](const InferResult& result) { respond(written(result)); });
}

std::vector<Route> model_routes(Engine& engine, const Service& service, const std::string& model) {
  return {{"GET", model,
           [service](const Request&, const PathValues& path) {
             return json_document(metadata_json(service->describe_model(path[0], version_in(path))));
           },
           operation::v2_model},
          {"GET", model + "/ready",
           [service](const Request&, const PathValues& path) { return model_ready(*service, path); },
           operation::v2_ready},
          {"GET", model + "/config",
           [&engine](const Request&, const PathValues& path) {
             return json_document(configuration_json(*described_version(engine, path[0], version_in(path))));
           },
           operation::v2_config},
          {"GET", model + "/stats",
           [service](const Request&, const PathValues& path) {
             return json_document(statistics_json(service->statistics(path[0], version_in(path))));
           },
           operation::v2_statistics},
          {"POST", model + "/infer",
           [service](const Request& request, const PathValues& path, const Respond& respond) {
             infer(*service, request, path, respond);
           },
           operation::v2_infer}};
}

}  // namespace

std::vector<Route> inference_routes(Engine& engine) {
  const Service service = make_inference_service(engine);
  std::vector<Route> routes = {
      {"GET", "/v2", [service](const Request&, const PathValues&) { return describe_server(*service); },
       operation::v2_server},
      // Before the models: "stats" is no name there, as in Triton.
      {"GET", "/v2/models/stats",
       [service](const Request&, const PathValues&) {
         return json_document(statistics_json(service->statistics("", "")));
       },
       operation::v2_statistics}};
  for (const std::string model : {"/v2/models/{name}", "/v2/models/{name}/versions/{version}"}) {
    for (Route& route : model_routes(engine, service, model)) {
      routes.push_back(std::move(route));
    }
  }
  return routes;
}

}  // namespace mlpipe
