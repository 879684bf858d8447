#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pipeline/cluster/place.hpp"

namespace mlpipe {

// Pieces of manifests that the pods of steps and of deployments share. All of it holds under Pod Security
// `restricted`.

// `securityContext` of a container: no root, no capability, no way to new privileges, a read-only root.
nlohmann::json restricted_container();

// `securityContext` of a pod: as whom its containers run, which its volumes are writable for. Without
// `user` the cluster says (OpenShift's do), and nothing is set.
nlohmann::json pod_security_context(const ClusterPlace& place);

// Into a pod's `spec`: its securityContext, its account (no token but of an account that is named), pull
// secrets, and which nodes it may run on.
void put_place(nlohmann::json& pod_spec, const ClusterPlace& place);

// `resources` of a container. Memory and GPUs are limits and requests at once, cores (in thousandths) are
// requested; what is 0 is not said.
nlohmann::json resource_amounts(std::int64_t cpu, std::uint64_t memory, int gpu);

// Who an object belongs to. Every value is made one that a label may have.
struct ObjectIdentity {
  std::string name;       // "mlpipe-step", "mlpipe-serve"
  std::string instance;   // what tells it from others of that name
  std::string component;  // "step", "server"
  std::string part_of;    // the pipeline
};

// `metadata.labels`, as app.kubernetes.io/* has them; what is empty is left out.
nlohmann::json object_labels(const ObjectIdentity& identity);

}  // namespace mlpipe
