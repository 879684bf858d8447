#include "pipeline/cluster/pod_security.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/cluster/kubectl.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

Json toleration_to_json(const Toleration& toleration) {
  Json json = {{"operator", toleration.operation}};
  if (!toleration.key.empty()) {
    json["key"] = toleration.key;
  }
  if (!toleration.value.empty()) {
    json["value"] = toleration.value;
  }
  if (!toleration.effect.empty()) {
    json["effect"] = toleration.effect;
  }
  if (toleration.seconds) {
    json["tolerationSeconds"] = *toleration.seconds;
  }
  return json;
}

}  // namespace

Json restricted_container() {
  return {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"runAsNonRoot", true},
          {"capabilities", {{"drop", {"ALL"}}}}};
}

Json pod_security_context(const ClusterPlace& place) {
  Json json = {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (place.user) {
    json["runAsUser"] = *place.user;
    json["runAsGroup"] = *place.user;
    json["fsGroup"] = *place.user;
    json["fsGroupChangePolicy"] = "OnRootMismatch";
  }
  return json;
}

void put_place(Json& pod_spec, const ClusterPlace& place) {
  pod_spec["securityContext"] = pod_security_context(place);
  pod_spec["automountServiceAccountToken"] = !place.service_account.empty();
  pod_spec["enableServiceLinks"] = false;  // what else runs in the namespace is no one's business
  if (!place.service_account.empty()) {
    pod_spec["serviceAccountName"] = place.service_account;
  }
  for (const std::string& secret : place.image_pull_secrets) {
    pod_spec["imagePullSecrets"].push_back({{"name", secret}});
  }
  if (!place.node_selector.empty()) {
    pod_spec["nodeSelector"] = place.node_selector;
  }
  for (const Toleration& toleration : place.tolerations) {
    pod_spec["tolerations"].push_back(toleration_to_json(toleration));
  }
  if (!place.priority_class.empty()) {
    pod_spec["priorityClassName"] = place.priority_class;
  }
}

Json resource_amounts(std::int64_t cpu, std::uint64_t memory, int gpu) {
  Json requests = Json::object();
  Json limits = Json::object();
  if (cpu > 0) {
    requests["cpu"] = fmt::format("{}m", cpu);
  }
  if (memory > 0) {
    requests["memory"] = limits["memory"] = std::to_string(memory);
  }
  if (gpu > 0) {
    requests["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = std::to_string(gpu);
  }
  Json resources = Json::object();
  if (!requests.empty()) {
    resources["requests"] = std::move(requests);
  }
  if (!limits.empty()) {
    resources["limits"] = std::move(limits);
  }
  return resources;
}

Json object_labels(const ObjectIdentity& identity) {
  Json labels = {{cluster_label::managed_by, "mlpipe"}};
  const auto put = [&labels](const char* label, const std::string& text) {
    if (const std::string value = label_value(text); !value.empty()) {
      labels[label] = value;
    }
  };
  put(cluster_label::name, identity.name);
  put(cluster_label::instance, identity.instance);
  put(cluster_label::component, identity.component);
  put(cluster_label::part_of, identity.part_of);
  return labels;
}

}  // namespace mlpipe
