#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/cluster/place.hpp"
#include "pipeline/cluster/pod_order.hpp"
#include "pipeline/deploy/target.hpp"
#include "pipeline/spec/rules.hpp"

namespace mlpipe {

// What a deployment on Kubernetes is to be, besides its release.
struct KubernetesServing {
  std::string pipeline;
  std::string alias;
  std::string context;   // of the kubeconfig; empty: its current one
  std::string registry;  // "HOST/REPOSITORY" that the image with the model is pushed to
  OrderedImage server;   // without a model
  int replicas = 1;
  std::optional<int> most_replicas;  // `replicas` are the least; nothing: there are always so many
  Resources resources;               // of each
  std::vector<std::string> command;  // of a server that is not mlpipe-serve; empty: it is
  int container_port = 8080;         // that the server listens at
  ClusterPlace place;
  ClusterExposure exposure;
  std::chrono::milliseconds deadline{600'000};  // for a new release to get ready

  bool is_own_server() const { return command.empty(); }
  // Of its objects: "digits-prod", as DNS wants names.
  std::string name() const;
  // What counts as another build of the server.
  std::string server_identity() const { return server.id.empty() ? server.name : server.id; }
  // All of it but the server and what is chosen at each rollout, for people and to be compared.
  std::string shape() const;
};

// A release as a manifest names it.
struct ManifestRelease {
  std::string version;
  std::string model;   // "sha256:…"
  std::string server;  // KubernetesServing::server_identity()
  std::string image;   // of server and model: "HOST/REPOSITORY@sha256:…"
};

// How the pods of one release give way to those of the next.
enum class PodExchange {
  beside,         // a new one gets ready before an old one ends
  one_by_another  // for what there is no room for twice
};

// Labels and annotations of a deployment's objects, besides those of cluster_label.
namespace serving_mark {
inline constexpr const char* track = "mlpipe.dev/track";  // label of pods: "stable", "candidate"
inline constexpr const char* release = "mlpipe.dev/release";
inline constexpr const char* model = "mlpipe.dev/model";
inline constexpr const char* server = "mlpipe.dev/server";
inline constexpr const char* shape = "mlpipe.dev/shape";
inline constexpr const char* alias = "mlpipe.dev/alias";
inline constexpr const char* pods = "mlpipe.dev/pods";  // a digest of what the pods are made from
}  // namespace serving_mark

inline constexpr const char* server_container = "server";
inline constexpr int cluster_admin_port = 8081;

// "app.kubernetes.io/instance=…": all objects of a deployment.
std::string selector_of(const std::string& name);

// Pure: everything that serves the release, in the order in which it is applied. Without a namespace: who
// applies says that.
nlohmann::json deployment_manifests(const KubernetesServing& serving, const ManifestRelease& release,
                                    PodExchange exchange);

// The servers of a release that gets a share of the traffic: a Job, which Kubernetes ends by itself when
// nobody puts `seconds` off any more. The deployment's Service selects its pods too.
nlohmann::json candidate_manifest(const KubernetesServing& serving, const ManifestRelease& release, int pods,
                                  std::chrono::seconds seconds);
std::string candidate_name(const KubernetesServing& serving);

// The pods beside `stable` ones that get about `percent` of what all of them get: the nearest number, at
// least one.
int candidate_pods(int stable, int percent);
// The share that so many get, in percent.
double share_of(int candidate, int stable);

// The HTTPRoute, where there is one: with `percent` nothing, all goes to the deployment's own pods; else the
// candidate gets exactly that. A part of the requests goes to the Service of all pods, the rest to the one
// without the candidate's, so that a candidate which is gone leaves no request without a server. There must
// be enough candidates: pods_for_route().
nlohmann::json route_manifest(const KubernetesServing& serving, int percent, int candidate, int stable);
int pods_for_route(int stable, int percent);

// An object of the list by its kind; null: there is none.
const nlohmann::json* find_kind(const nlohmann::json& manifests, const std::string& kind);

// As a file of YAML documents.
std::string manifests_text(const nlohmann::json& manifests, const std::string& name_space);

}  // namespace mlpipe
