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

}  // namespace

void each_member(OneOf<ClusterExposure> auto& exposure, auto&& member) {
  member("service", exposure.service);
  member("node_port", exposure.node_port);
  member("ingress_host", exposure.ingress_host);
  member("ingress_class", exposure.ingress_class);
  member("ingress_tls_secret", exposure.ingress_tls_secret);
  member("gateway", exposure.gateway);
  member("gateway_host", exposure.gateway_host);
  member("route_host", exposure.route_host);
  member("network_policy", exposure.network_policy);
}
void each_member(OneOf<KubernetesServing> auto& serving, auto&& member) {
  member("pipeline", serving.pipeline);
  member("alias", serving.alias);
  member("context", serving.context);
  member("registry", serving.registry);
  member("server", serving.server);
  member("replicas", serving.replicas);
  member("most_replicas", serving.most_replicas);
  member("cpu", serving.resources.cpu);
  member("memory", serving.resources.memory);
  member("gpu", serving.resources.gpu);
  member("command", serving.command);
  member("container_port", serving.container_port);
  member("place", serving.place);
  member("exposure", serving.exposure);
  member("deadline_ms", serving.deadline);
}

bool KubernetesFolder::has_record() const {
  return fs::exists(path_ / record_file);
}

KubernetesServing KubernetesFolder::load() const {
  const fs::path file = path_ / record_file;
  try {
    return from_json_of<KubernetesServing>(Json::parse(read_file(file)));
  } catch (const Json::exception& error) {
    throw Error(file.string() + ": it is damaged: " + error.what(),
                "`mlpipe run` writes it anew once the file is gone");
  }
}

void KubernetesFolder::save(const KubernetesServing& serving) const {
  fs::create_directories(path_);
  crash_point("record a deployment on Kubernetes");
  write_file_atomically(path_ / record_file, json_of(serving).dump(2));
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
