#include "pipeline/deploy/kubernetes_folder.hpp"

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/cluster/place_json.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* record_file = "serving.json";

template <typename Value>
void put(Json& json, const char* name, const std::optional<Value>& value) {
  if (value) {
    json[name] = *value;
  }
}

template <typename Value>
std::optional<Value> optional_in(const Json& json, const char* name) {
  return json.contains(name) ? std::optional(json[name].get<Value>()) : std::nullopt;
}

Json exposure_to_json(const ClusterExposure& exposure) {
  Json json = {{"service", exposure.service},
               {"ingress_host", exposure.ingress_host},
               {"ingress_class", exposure.ingress_class},
               {"ingress_tls_secret", exposure.ingress_tls_secret},
               {"gateway", exposure.gateway},
               {"gateway_host", exposure.gateway_host},
               {"route_host", exposure.route_host},
               {"network_policy", exposure.network_policy}};
  put(json, "node_port", exposure.node_port);
  return json;
}

ClusterExposure exposure_from_json(const Json& json) {
  ClusterExposure exposure;
  json.at("service").get_to(exposure.service);
  json.at("ingress_host").get_to(exposure.ingress_host);
  json.at("ingress_class").get_to(exposure.ingress_class);
  json.at("ingress_tls_secret").get_to(exposure.ingress_tls_secret);
  json.at("gateway").get_to(exposure.gateway);
  json.at("gateway_host").get_to(exposure.gateway_host);
  json.at("route_host").get_to(exposure.route_host);
  json.at("network_policy").get_to(exposure.network_policy);
  exposure.node_port = optional_in<int>(json, "node_port");
  return exposure;
}

Json to_json(const KubernetesServing& serving) {
  Json json = {{"pipeline", serving.pipeline},
               {"alias", serving.alias},
               {"context", serving.context},
               {"registry", serving.registry},
               {"server", {{"id", serving.server.id}, {"name", serving.server.name}}},
               {"replicas", serving.replicas},
               {"cpu", serving.resources.cpu},
               {"memory", serving.resources.memory},
               {"command", serving.command},
               {"container_port", serving.container_port},
               {"place", place_to_json(serving.place)},
               {"exposure", exposure_to_json(serving.exposure)},
               {"deadline_ms", serving.deadline.count()}};
  put(json, "most_replicas", serving.most_replicas);
  put(json, "gpu", serving.resources.gpu);
  return json;
}

KubernetesServing from_json(const Json& json) {
  KubernetesServing serving;
  json.at("pipeline").get_to(serving.pipeline);
  json.at("alias").get_to(serving.alias);
  json.at("context").get_to(serving.context);
  json.at("registry").get_to(serving.registry);
  json.at("server").at("id").get_to(serving.server.id);
  json.at("server").at("name").get_to(serving.server.name);
  json.at("replicas").get_to(serving.replicas);
  json.at("cpu").get_to(serving.resources.cpu);
  json.at("memory").get_to(serving.resources.memory);
  json.at("command").get_to(serving.command);
  json.at("container_port").get_to(serving.container_port);
  serving.place = place_from_json(json.at("place"));
  serving.exposure = exposure_from_json(json.at("exposure"));
  serving.deadline = std::chrono::milliseconds(json.at("deadline_ms").get<std::int64_t>());
  serving.most_replicas = optional_in<int>(json, "most_replicas");
  serving.resources.gpu = optional_in<int>(json, "gpu");
  return serving;
}

}  // namespace

bool KubernetesFolder::has_record() const {
  return fs::exists(path_ / record_file);
}

KubernetesServing KubernetesFolder::load() const {
  const fs::path file = path_ / record_file;
  try {
    return from_json(Json::parse(read_file(file)));
  } catch (const Json::exception& error) {
    throw Error(file.string() + ": it is damaged: " + error.what(),
                "`mlpipe run` writes it anew once the file is gone");
  }
}

void KubernetesFolder::save(const KubernetesServing& serving) const {
  fs::create_directories(path_);
  crash_point("record a deployment on Kubernetes");
  write_file_atomically(path_ / record_file, to_json(serving).dump(2));
  crash_point("recorded a deployment on Kubernetes");
}

void KubernetesFolder::settle() const {
  crash_point("settle the manifests");
  fs::rename(path_ / "intended.json", path_ / "settled.json");
  sync_directory(path_);
  crash_point("settled the manifests");
}

void KubernetesFolder::forget_intended() const {
  fs::remove(path_ / "intended.json");
}

void KubernetesFolder::remove() const {
  remove_tree(path_);
}

std::optional<Json> KubernetesFolder::read(const char* name) const {
  const auto text = read_file_if_exists(path_ / name);
  if (!text) {
    return std::nullopt;
  }
  Json json = Json::parse(*text, nullptr, false);
  return json.is_array() ? std::optional(std::move(json)) : std::nullopt;
}

void KubernetesFolder::write(const char* name, const Json& manifests) const {
  crash_point("record manifests");
  write_file_atomically(path_ / name, manifests.dump(2));
  crash_point("recorded manifests");
}

}  // namespace mlpipe
