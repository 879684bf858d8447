#include "pipeline/deploy/kubernetes_manifests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/quantity.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/cluster/pod_security.hpp"
#include "pipeline/deploy/yaml_text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr const char* stable_track = "stable";
constexpr const char* candidate_track = "candidate";
constexpr std::size_t digits = 8;
// A pod that is told to end goes on answering until nobody can know it any more: first by the wait before the
// signal, then mlpipe-serve by its own drain, then it finishes what it has.
constexpr int seconds_before_signal = 5;
constexpr int drain_seconds = 5;
constexpr int grace_seconds = 30;
constexpr int hundred = 100;

std::string short_digest(const std::string& text) {
  return digest_of(text).hex().substr(0, digits);
}

std::int64_t seconds_of(std::chrono::milliseconds duration) {
  return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(duration).count());
}

// DNS-1123, with a digest where something had to be changed: two names must not become one.
std::string dns_name(const std::string& text) {
  constexpr std::size_t longest = 40;  // so that what is hung on it stays below 63
  std::string name;
  for (const char c : text) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    name += upper ? static_cast<char>(c - 'A' + 'a') : plain ? c : '-';
  }
  name.resize(std::min(name.size(), longest));
  while (!name.empty() && name.back() == '-') {
    name.pop_back();
  }
  while (!name.empty() && (name.front() < 'a' || name.front() > 'z')) {  // a Service's begins with a letter
    name.erase(0, 1);
  }
  return name == text ? name : fmt::format("{}-{}", name.empty() ? "model" : name, short_digest(text));
}

Json labels_of(const KubernetesServing& serving) {
  return object_labels({"mlpipe-serve", serving.name(), "server", serving.pipeline});
}

// What a Service or a budget finds pods by.
Json selector(const KubernetesServing& serving, const char* track = nullptr) {
  Json labels = {{cluster_label::instance, serving.name()}, {cluster_label::component, "server"}};
  if (track != nullptr) {
    labels[serving_mark::track] = track;
  }
  return labels;
}

Json object(const KubernetesServing& serving, const char* version, const char* kind,
            const std::string& name) {
  return {{"apiVersion", version},
          {"kind", kind},
          {"metadata",
           {{"name", name},
            {"labels", labels_of(serving)},
            {"annotations", {{serving_mark::alias, serving.alias}}}}}};
}

Json release_annotations(const ManifestRelease& release) {
  return {{serving_mark::release, release.version},
          {serving_mark::model, release.model},
          {serving_mark::server, release.server}};
}

// mlpipe-serve's options, but for those that differ from release to release.
Json server_options(const KubernetesServing& serving) {
  constexpr const char* prefix = "MLPIPE_SERVE_OPTION_";
  const std::pair<const char*, std::string> options[] = {{"MODEL", "/model"},
                                                         {"HOST", "0.0.0.0"},
                                                         {"PORT", std::to_string(serving.container_port)},
                                                         {"ADMIN_HOST", "0.0.0.0"},
                                                         {"ADMIN_PORT", std::to_string(cluster_admin_port)},
                                                         {"DRAIN_DELAY", std::to_string(drain_seconds)}};
  Json data = Json::object();
  for (const auto& [name, value] : options) {
    data[prefix + std::string(name)] = value;
  }
  return data;
}

// By what it holds: pods of another shape go on reading theirs.
std::string options_name(const KubernetesServing& serving) {
  return fmt::format("{}-{}", serving.name(), short_digest(server_options(serving).dump()));
}

Json probe(const char* path, const char* port, int period, std::int64_t failures) {
  return {{"httpGet", {{"path", path}, {"port", port}}},
          {"periodSeconds", period},
          {"timeoutSeconds", 2},
          {"failureThreshold", failures}};
}

Json container_of(const KubernetesServing& serving, const ManifestRelease& release) {
  Json container = {{"name", server_container},
                    {"image", release.image},
                    {"imagePullPolicy", "IfNotPresent"},
                    {"securityContext", restricted_container()},
                    {"volumeMounts", Json::array({{{"name", "tmp"}, {"mountPath", "/tmp"}}})}};
  container["ports"] = Json::array({{{"name", "http"}, {"containerPort", serving.container_port}}});
  if (serving.is_own_server()) {
    container["command"] = Json::array({"mlpipe-serve"});
    container["ports"].push_back({{"name", "admin"}, {"containerPort", cluster_admin_port}});
    container["envFrom"] = Json::array({{{"configMapRef", {{"name", options_name(serving)}}}}});
    container["env"] = Json::array({{{"name", "MLPIPE_SERVE_OPTION_VERSION"}, {"value", release.version}}});
  } else {
    container["command"] = serving.command;
    container["env"] = Json::array({{{"name", "MLPIPE_MODEL"}, {"value", "/model"}},
                                    {{"name", "MLPIPE_MODEL_VERSION"}, {"value", release.version}}});
  }
  const char* health = serving.is_own_server() ? "admin" : "http";
  container["startupProbe"] = probe("/v2/health/ready", health, 1, seconds_of(serving.deadline));
  container["readinessProbe"] = probe("/v2/health/ready", health, 2, 2);
  container["livenessProbe"] = probe("/v2/health/live", health, 10, 3);
  container["lifecycle"]["preStop"]["sleep"]["seconds"] = seconds_before_signal;
  const Json resources =
      resource_amounts(serving.resources.cpu, serving.resources.memory, serving.resources.gpu.value_or(0));
  if (!resources.empty()) {
    container["resources"] = resources;
  }
  return container;
}

Json pod_of(const KubernetesServing& serving, const ManifestRelease& release, const char* track) {
  Json spec = {{"containers", Json::array({container_of(serving, release)})},
               {"terminationGracePeriodSeconds", grace_seconds},
               {"volumes", Json::array({{{"name", "tmp"}, {"emptyDir", Json::object()}}})}};
  put_place(spec, serving.place);
  spec["automountServiceAccountToken"] = false;  // a server asks nothing of the cluster
  if (serving.place.service_account.empty()) {
    spec["serviceAccountName"] = serving.name();
  }
  for (const char* place : {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}) {
    spec["topologySpreadConstraints"].push_back(
        {{"maxSkew", 1},
         {"topologyKey", place},
         {"whenUnsatisfiable", "ScheduleAnyway"},
         {"labelSelector", {{"matchLabels", selector(serving, track)}}}});
  }
  Json labels = serving.place.labels;
  labels.update(labels_of(serving));
  labels[cluster_label::version] = label_value(release.version);
  labels[serving_mark::track] = track;
  if (!serving.place.queue.empty()) {
    labels["kueue.x-k8s.io/queue-name"] = serving.place.queue;
  }
  Json annotations = serving.place.annotations;
  annotations.update(release_annotations(release));
  annotations[serving_mark::pods] = short_digest(spec.dump() + labels.dump() + annotations.dump());
  return {{"metadata", {{"labels", labels}, {"annotations", annotations}}}, {"spec", spec}};
}

Json deployment_of(const KubernetesServing& serving, const ManifestRelease& release, PodExchange exchange) {
  Json deployment = object(serving, "apps/v1", "Deployment", serving.name());
  deployment["metadata"]["annotations"].update(release_annotations(release));
  Json strategy = {{"type", "Recreate"}};
  if (exchange == PodExchange::beside) {
    strategy = {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 0}}}};
  }
  deployment["spec"] = {{"selector", {{"matchLabels", selector(serving, stable_track)}}},
                        {"strategy", strategy},
                        {"progressDeadlineSeconds", seconds_of(serving.deadline) + 1},
                        {"revisionHistoryLimit", 2},
                        {"template", pod_of(serving, release, stable_track)}};
  if (!serving.most_replicas) {
    deployment["spec"]["replicas"] = serving.replicas;
  }
  return deployment;
}

Json service_of(const KubernetesServing& serving) {
  Json service = object(serving, "v1", "Service", serving.name());
  Json port = {{"name", "http"}, {"port", 80}, {"protocol", "TCP"}, {"targetPort", "http"}};
  if (serving.exposure.node_port) {
    port["nodePort"] = *serving.exposure.node_port;
  }
  service["spec"] = {
      {"type", serving.exposure.service}, {"selector", selector(serving)}, {"ports", Json::array({port})}};
  return service;
}

std::string stable_service(const KubernetesServing& serving) {
  return serving.name() + "-stable";
}

Json stable_service_of(const KubernetesServing& serving) {
  Json service = object(serving, "v1", "Service", stable_service(serving));
  service["spec"] = {
      {"type", "ClusterIP"},
      {"selector", selector(serving, stable_track)},
      {"ports",
       Json::array({{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}, {"targetPort", "http"}}})}};
  return service;
}

// A budget counts pods of what can be scaled: not those of a candidate's Job.
Json budget_of(const KubernetesServing& serving) {
  Json budget = object(serving, "policy/v1", "PodDisruptionBudget", serving.name());
  budget["spec"] = {{"maxUnavailable", 1},
                    {"unhealthyPodEvictionPolicy", "AlwaysAllow"},
                    {"selector", {{"matchLabels", selector(serving, stable_track)}}}};
  return budget;
}

Json autoscaler_of(const KubernetesServing& serving) {
  constexpr int percent_of_request = 70;
  Json autoscaler = object(serving, "autoscaling/v2", "HorizontalPodAutoscaler", serving.name());
  autoscaler["spec"] = {
      {"scaleTargetRef", {{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", serving.name()}}},
      {"minReplicas", serving.replicas},
      {"maxReplicas", *serving.most_replicas},
      {"metrics",
       Json::array(
           {{{"type", "Resource"},
             {"resource",
              {{"name", "cpu"},
               {"target", {{"type", "Utilization"}, {"averageUtilization", percent_of_request}}}}}}})}};
  return autoscaler;
}

// Everybody may ask for answers; health and metrics only who is in the cluster.
Json network_policy_of(const KubernetesServing& serving) {
  Json policy = object(serving, "networking.k8s.io/v1", "NetworkPolicy", serving.name());
  Json ingress = Json::array({{{"ports", Json::array({{{"port", "http"}, {"protocol", "TCP"}}})}}});
  if (serving.is_own_server()) {
    ingress.push_back({{"from", Json::array({{{"namespaceSelector", Json::object()}}})},
                       {"ports", Json::array({{{"port", "admin"}, {"protocol", "TCP"}}})}});
  }
  policy["spec"] = {{"podSelector", {{"matchLabels", selector(serving)}}},
                    {"policyTypes", Json::array({"Ingress"})},
                    {"ingress", ingress}};
  return policy;
}

Json ingress_of(const KubernetesServing& serving) {
  const ClusterExposure& exposure = serving.exposure;
  Json ingress = object(serving, "networking.k8s.io/v1", "Ingress", serving.name());
  const Json backend = {{"service", {{"name", serving.name()}, {"port", {{"name", "http"}}}}}};
  const Json path = {{"path", "/"}, {"pathType", "Prefix"}, {"backend", backend}};
  ingress["spec"]["rules"] =
      Json::array({{{"host", exposure.ingress_host}, {"http", {{"paths", Json::array({path})}}}}});
  if (!exposure.ingress_class.empty()) {
    ingress["spec"]["ingressClassName"] = exposure.ingress_class;
  }
  if (!exposure.ingress_tls_secret.empty()) {
    ingress["spec"]["tls"] = Json::array(
        {{{"hosts", Json::array({exposure.ingress_host})}, {"secretName", exposure.ingress_tls_secret}}});
  }
  return ingress;
}

Json openshift_route_of(const KubernetesServing& serving) {
  Json route = object(serving, "route.openshift.io/v1", "Route", serving.name());
  route["spec"] = {{"host", serving.exposure.route_host},
                   {"port", {{"targetPort", "http"}}},
                   {"tls", {{"termination", "edge"}, {"insecureEdgeTerminationPolicy", "Redirect"}}},
                   {"to", {{"kind", "Service"}, {"name", serving.name()}, {"weight", hundred}}}};
  return route;
}

Json backend(const std::string& service, int weight) {
  return {{"name", service}, {"port", 80}, {"weight", weight}};
}

std::string resources_text(const Resources& resources) {
  std::vector<std::string> parts;
  if (resources.cpu != 0) {
    parts.push_back("cpu " + format_cores(resources.cpu));
  }
  if (resources.memory != 0) {
    parts.push_back("memory " + format_bytes(resources.memory));
  }
  if (resources.gpu.value_or(0) > 0) {
    parts.push_back(fmt::format("gpu {}", *resources.gpu));
  }
  return join(parts, ", ");
}

Json manifests_of(const KubernetesServing& serving, const ManifestRelease& release, PodExchange exchange) {
  Json all = Json::array();
  if (serving.place.service_account.empty()) {
    Json account = object(serving, "v1", "ServiceAccount", serving.name());
    account["automountServiceAccountToken"] = false;
    all.push_back(std::move(account));
  }
  if (serving.is_own_server()) {
    Json options = object(serving, "v1", "ConfigMap", options_name(serving));
    options["data"] = server_options(serving);
    all.push_back(std::move(options));
  }
  if (serving.exposure.network_policy) {
    all.push_back(network_policy_of(serving));
  }
  all.push_back(service_of(serving));
  all.push_back(budget_of(serving));
  if (serving.most_replicas) {
    all.push_back(autoscaler_of(serving));
  }
  if (!serving.exposure.ingress_host.empty()) {
    all.push_back(ingress_of(serving));
  }
  if (!serving.exposure.gateway.empty()) {
    all.push_back(stable_service_of(serving));
    all.push_back(route_manifest(serving, 0, 0, 1));
  }
  if (!serving.exposure.route_host.empty()) {
    all.push_back(openshift_route_of(serving));
  }
  all.push_back(deployment_of(serving, release, exchange));
  return all;
}

}  // namespace

std::string KubernetesServing::name() const {
  return dns_name(fmt::format("{}-{}", pipeline, alias));
}

std::string KubernetesServing::shape() const {
  const Json manifests = manifests_of(*this, {}, PodExchange::beside);
  const std::string amounts = resources_text(resources);
  return fmt::format("{}{}{}, {}", replicas, most_replicas ? fmt::format(" to {}", *most_replicas) : "",
                     amounts.empty() ? "" : " × " + amounts,
                     short_digest(manifests.dump() + place.name_space));
}

std::string selector_of(const std::string& name) {
  return fmt::format("{}=mlpipe,{}={},{}=server", cluster_label::managed_by, cluster_label::instance, name,
                     cluster_label::component);
}

Json deployment_manifests(const KubernetesServing& serving, const ManifestRelease& release,
                          PodExchange exchange) {
  Json all = manifests_of(serving, release, exchange);
  all.back()["metadata"]["annotations"][serving_mark::shape] = serving.shape();
  return all;
}

std::string candidate_name(const KubernetesServing& serving) {
  return serving.name() + "-candidate";
}

Json candidate_manifest(const KubernetesServing& serving, const ManifestRelease& release, int pods,
                        std::chrono::seconds seconds) {
  Json job = object(serving, "batch/v1", "Job", candidate_name(serving));
  job["metadata"]["annotations"].update(release_annotations(release));
  Json pod = pod_of(serving, release, candidate_track);
  pod["spec"]["restartPolicy"] = "Never";
  const Json evicted = {
      {"action", "Ignore"},
      {"onPodConditions", Json::array({{{"type", "DisruptionTarget"}, {"status", "True"}}})}};
  job["spec"] = {{"parallelism", pods},
                 {"backoffLimit", 0},
                 {"activeDeadlineSeconds", seconds.count()},
                 {"podFailurePolicy", {{"rules", Json::array({evicted})}}},
                 {"template", pod}};
  return job;
}

int candidate_pods(int stable, int percent) {
  const double wanted = static_cast<double>(stable) * percent / (hundred - percent);
  return std::max(1, static_cast<int>(std::lround(wanted)));
}

int pods_for_route(int stable, int percent) {
  const double wanted = static_cast<double>(stable) * percent / (hundred - percent);
  return std::max(1, static_cast<int>(std::ceil(wanted)));
}

double share_of(int candidate, int stable) {
  return 100.0 * candidate / std::max(1, candidate + stable);
}

Json route_manifest(const KubernetesServing& serving, int percent, int candidate, int stable) {
  const std::string& gateway = serving.exposure.gateway;
  const std::size_t slash = gateway.find('/');
  Json parent = {{"name", slash == std::string::npos ? gateway : gateway.substr(slash + 1)}};
  if (slash != std::string::npos) {
    parent["namespace"] = gateway.substr(0, slash);
  }
  // Of what the Service of all pods gets, the candidate's pods get candidate / (candidate + stable).
  constexpr int fine = 100;
  const int to_all =
      percent == 0 ? 0
                   : static_cast<int>(std::lround(fine * percent * 1.0 * (candidate + stable) / candidate));
  const Json backends = Json::array(
      {backend(stable_service(serving), fine * hundred - to_all), backend(serving.name(), to_all)});
  Json route = object(serving, "gateway.networking.k8s.io/v1", "HTTPRoute", serving.name());
  route["spec"] = {{"parentRefs", Json::array({parent})},
                   {"rules", Json::array({{{"backendRefs", backends}}})}};
  if (!serving.exposure.gateway_host.empty()) {
    route["spec"]["hostnames"] = Json::array({serving.exposure.gateway_host});
  }
  return route;
}

const Json* find_kind(const Json& manifests, const std::string& kind) {
  for (const Json& each : manifests) {
    if (each.value("kind", "") == kind) {
      return &each;
    }
  }
  return nullptr;
}

std::string manifests_text(const Json& manifests, const std::string& name_space) {
  std::string text;
  for (Json each : manifests) {
    each["metadata"]["namespace"] = name_space;
    text += "---\n" + yaml_text(each);
  }
  return text;
}

}  // namespace mlpipe
