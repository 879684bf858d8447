#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mlpipe {

// As Kubernetes has it: a pod may run on nodes with that taint.
struct Toleration {
  std::string key;                  // empty: any
  std::string operation = "Equal";  // "Equal", "Exists"
  std::string value;
  std::string effect;                        // "NoSchedule", "PreferNoSchedule", "NoExecute"; empty: any
  std::optional<std::int64_t> seconds = {};  // of NoExecute: for how long

  friend bool operator==(const Toleration&, const Toleration&) = default;
};

// Where and as whom pods run: of a step's Job, or of a deployment.
struct ClusterPlace {
  std::string name_space;       // empty: the context's
  std::string service_account;  // empty: none of its own, and no token
  std::vector<std::string> image_pull_secrets;
  std::map<std::string, std::string> node_selector;
  std::vector<Toleration> tolerations;
  std::string priority_class;
  std::string queue;                          // of Kueue; empty: none
  std::optional<std::int64_t> user = 65532;   // that containers run as; nothing: the cluster chooses
  std::map<std::string, std::string> labels;  // of pods, besides mlpipe's own
  std::map<std::string, std::string> annotations;

  friend bool operator==(const ClusterPlace&, const ClusterPlace&) = default;
};

// How a deployment is reached.
struct ClusterExposure {
  std::string service = "ClusterIP";  // "NodePort", "LoadBalancer"
  std::optional<int> node_port = {};
  std::string ingress_host;  // empty: no Ingress
  std::string ingress_class;
  std::string ingress_tls_secret;
  std::string gateway;  // "NAMESPACE/NAME" or "NAME" that an HTTPRoute hangs on; empty: none
  std::string gateway_host;
  std::string route_host;      // of an OpenShift Route; empty: none
  bool network_policy = true;  // only the server's port may be reached, and its metrics in the cluster

  friend bool operator==(const ClusterExposure&, const ClusterExposure&) = default;
};

// How a pipeline reaches its cluster.
struct ClusterAccess {
  std::string context;   // of the kubeconfig; empty: its current one, or in a pod the pod's own cluster
  std::string registry;  // "HOST/REPOSITORY" that images are pushed to, and pulled from by nodes; empty: that
                         // of `remote:`, where it is one
  std::string pod_remote;           // the URL of `remote:` as pods reach it; empty: the same
  std::string remote_secret;        // a Secret with the credentials for it that pods mount; empty: none
  std::string secrets;              // a Secret that holds `secrets.X` under X; empty: mlpipe brings values
  std::chrono::seconds keep{3600};  // that a Job which has ended stays there

  friend bool operator==(const ClusterAccess&, const ClusterAccess&) = default;
};

}  // namespace mlpipe
