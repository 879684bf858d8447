#include "pipeline/kubernetes/manifests.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/agent/job.hpp"
#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/cluster/pod_security.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr std::string_view claim_scheme = "pvc://";
constexpr const char* claim_folder = "/mlpipe-remote";
constexpr const char* credentials_folder = "/mlpipe-credentials";
constexpr int told_to_end = 143;  // of the agent in a pod
constexpr int killed = 137;
constexpr int most_retries = 2;        // of what was killed, and of transfers that failed
constexpr auto time_to_start = 15min;  // besides a step's timeout
constexpr auto time_to_record = 30s;   // besides a step's grace

struct Claim {
  std::string name;
  std::string folder;
};

std::optional<Claim> claim_of(const std::string& remote) {
  if (!remote.starts_with(claim_scheme)) {
    return std::nullopt;
  }
  const std::string rest = remote.substr(claim_scheme.size());
  const std::size_t slash = rest.find('/');
  return Claim{rest.substr(0, slash), slash == std::string::npos ? "" : rest.substr(slash)};
}

// The remote's URL in a pod.
std::string url_in_pod(const JobSettings& settings) {
  const auto claim = claim_of(settings.remote);
  return claim ? fmt::format("dir://{}{}", claim_folder, claim->folder) : settings.remote;
}

Json variable(const std::string& name, const std::string& value) {
  return {{"name", name}, {"value", value}};
}

Json secret_variable(const std::string& name, const std::string& secret, const std::string& key) {
  return {{"name", name}, {"valueFrom", {{"secretKeyRef", {{"name", secret}, {"key", key}}}}}};
}

Json mount(const char* volume, const char* path) {
  return {{"name", volume}, {"mountPath", path}};
}

// A container of the agent's image that moves bytes.
Json transfer_container(const char* name, const char* command, const JobOrder& order,
                        const JobSettings& settings) {
  Json container = {
      {"name", name},
      {"image", order.agent},
      {"imagePullPolicy", "IfNotPresent"},
      {"command", {"mlpipe-registry", command, url_in_pod(settings), order.name, folder_in_container}},
      {"securityContext", restricted_container()},
      {"resources", {{"requests", {{"cpu", "10m"}, {"memory", "32Mi"}}}, {"limits", {{"memory", "256Mi"}}}}},
      {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"volumeMounts", {mount("mlpipe", folder_in_container), mount("transfer", "/tmp")}},
      {"env", {variable("TMPDIR", "/tmp"), variable("HOME", "/tmp")}}};
  if (!settings.insecure_registries.empty()) {
    container["env"].push_back(variable("MLPIPE_INSECURE_REGISTRIES", settings.insecure_registries));
  }
  if (!settings.remote_secret.empty()) {
    // Of registries it holds docker's config, of S3 variables: what it has is used.
    container["env"].push_back(variable("DOCKER_CONFIG", credentials_folder));
    container["envFrom"] = {{{"secretRef", {{"name", settings.remote_secret}}}}};
    container["volumeMounts"].push_back(mount("credentials", credentials_folder));
    container["volumeMounts"].back()["readOnly"] = true;
  }
  if (claim_of(settings.remote)) {
    container["volumeMounts"].push_back(mount("remote", claim_folder));
    container["env"].push_back(variable("MLPIPE_REMOTE_DIR", claim_folder));
  }
  return container;
}

Json step_container(const JobOrder& order, const JobSettings& settings) {
  const PodOrder& pod = order.order;
  Json environment = Json::array();
  for (const std::string& name : order.secret_variables) {
    environment.push_back(secret_variable(name, order.name, name));
  }
  for (const auto& [name, key] : pod.cluster_secrets) {
    environment.push_back(secret_variable(name, settings.secrets, key));
  }
  if (pod.nodes > 1) {
    environment.push_back(variable("MLPIPE_NODES", std::to_string(pod.nodes)));
    environment.push_back(variable("MLPIPE_MASTER_ADDR", fmt::format("{0}-0.{0}", order.name)));
  }
  Json container = {
      {"name", job_container},
      {"image", order.image},
      {"imagePullPolicy", "IfNotPresent"},
      {"command", {fmt::format("{}/.agent/mlpipe-agent", folder_in_container), "--pod", folder_in_container}},
      {"securityContext", restricted_container()},
      {"resources", resource_amounts(pod.cpu, pod.memory, pod.gpu)},
      {"volumeMounts",
       {mount("mlpipe", folder_in_container), mount("tmp", "/tmp"), mount("var-tmp", "/var/tmp"),
        mount("run", "/run"), mount("shm", "/dev/shm")}}};
  if (!environment.empty()) {
    container["env"] = std::move(environment);
  }
  return container;
}

Json volumes(const JobOrder& order, const JobSettings& settings) {
  Json list = Json::array();
  for (const char* name : {"mlpipe", "tmp", "var-tmp", "run", "transfer"}) {
    list.push_back({{"name", name}, {"emptyDir", Json::object()}});
  }
  Json shared_memory = {{"medium", "Memory"}};
  if (order.order.memory > 0) {
    shared_memory["sizeLimit"] = std::to_string(order.order.memory);
  }
  list.push_back({{"name", "shm"}, {"emptyDir", std::move(shared_memory)}});
  if (!settings.remote_secret.empty()) {
    list.push_back({{"name", "credentials"},
                    {"secret",
                     {{"secretName", settings.remote_secret},
                      {"optional", true},
                      {"items", {{{"key", ".dockerconfigjson"}, {"path", "config.json"}}}}}}});
  }
  if (const auto claim = claim_of(settings.remote)) {
    list.push_back({{"name", "remote"}, {"persistentVolumeClaim", {{"claimName", claim->name}}}});
  }
  return list;
}

Json labels_of(const JobOrder& order) {
  Json labels = object_labels({"mlpipe-step", order.order.step, "step", order.order.pipeline});
  labels[cluster_label::job] = order.order.name;
  return labels;
}

Json pod_template(const JobOrder& order, const JobSettings& settings) {
  const ClusterPlace& place = order.order.place;
  Json labels = labels_of(order);
  for (const auto& [name, value] : place.labels) {
    labels[name] = value;
  }
  Json spec = {{"restartPolicy", "Never"},
               {"terminationGracePeriodSeconds",
                std::chrono::ceil<std::chrono::seconds>(order.grace + time_to_record).count()},
               {"initContainers", {transfer_container(bring_container, "pod-bring", order, settings)}},
               {"containers",
                {step_container(order, settings),
                 transfer_container(record_container, "pod-record", order, settings)}},
               {"volumes", volumes(order, settings)}};
  put_place(spec, place);
  if (order.order.nodes > 1) {
    spec["subdomain"] = order.name;
  }
  Json metadata = {{"labels", std::move(labels)}};
  if (!place.annotations.empty()) {
    metadata["annotations"] = place.annotations;
  }
  return {{"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
}

// What was put an end to from outside is not the program's failure, and costs none of its retries. A
// container that was killed as a whole, and a transfer that failed, have a few.
Json failure_policy() {
  const auto exit_codes = [](const char* operation, std::vector<int> values) {
    return Json{{"containerName", job_container}, {"operator", operation}, {"values", std::move(values)}};
  };
  return {{"rules",
           {{{"action", "Ignore"}, {"onPodConditions", {{{"type", "DisruptionTarget"}, {"status", "True"}}}}},
            {{"action", "Ignore"}, {"onExitCodes", exit_codes("In", {told_to_end})}},
            {{"action", "FailJob"}, {"onExitCodes", exit_codes("NotIn", {0, killed, told_to_end})}}}}};
}

Json owned_by(const JobOrder& order, const std::string& job_uid) {
  return {{"name", order.name},
          {"namespace", order.name_space},
          {"labels", labels_of(order)},
          {"ownerReferences",
           {{{"apiVersion", "batch/v1"}, {"kind", "Job"}, {"name", order.name}, {"uid", job_uid}}}}};
}

}  // namespace

Json job_manifest(const JobOrder& order, const JobSettings& settings) {
  const PodOrder& pod = order.order;
  Json labels = labels_of(order);
  Json spec = {{"backoffLimit", most_retries},
               {"podFailurePolicy", failure_policy()},
               {"podReplacementPolicy", "Failed"},
               {"ttlSecondsAfterFinished", settings.keep.count()},
               {"template", pod_template(order, settings)}};
  if (order.timeout) {
    spec["activeDeadlineSeconds"] =
        std::chrono::ceil<std::chrono::seconds>(*order.timeout + time_to_start + order.grace).count();
  }
  if (pod.nodes > 1) {
    spec["completionMode"] = "Indexed";
    spec["completions"] = spec["parallelism"] = pod.nodes;
  }
  if (!pod.place.queue.empty()) {  // Kueue lets it go on when there is room
    labels[queue_label] = pod.place.queue;
    spec["suspend"] = true;
  }
  return {
      {"apiVersion", "batch/v1"},
      {"kind", "Job"},
      {"metadata",
       {{"name", order.name},
        {"namespace", order.name_space},
        {"labels", std::move(labels)},
        {"annotations",
         {{key_annotation, pod.key}, {"mlpipe.dev/pipeline", pod.pipeline}, {"mlpipe.dev/step", pod.step}}}}},
      {"spec", std::move(spec)}};
}

Json service_manifest(const JobOrder& order, const std::string& job_uid) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", owned_by(order, job_uid)},
          {"spec",
           {{"clusterIP", "None"},
            {"publishNotReadyAddresses", true},  // they find each other before any is ready
            {"selector", {{"batch.kubernetes.io/job-name", order.name}}}}}};
}

Json secret_manifest(const JobOrder& order, const std::string& job_uid,
                     const std::map<std::string, std::string>& values) {
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", owned_by(order, job_uid)},
          {"immutable", true},
          {"stringData", values}};
}

}  // namespace mlpipe
