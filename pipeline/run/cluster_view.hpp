#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/plan/effects.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// A pipeline's deployment on Kubernetes as manifests, for who looks at a plan. The release is the one that
// its alias stands for or, where the plan knows it, the one that it moves to. Nothing is written; `store` is
// the store's folder.

// What a rollout would apply, as YAML. Throws UsageError for a pipeline that does not deploy to a cluster,
// has published nothing yet, or whose server's image is not there yet.
std::string cluster_manifests(const Spec& spec, const Plan& plan, const Effects& effects,
                              const std::filesystem::path& store);

// An object of the cluster that would be made, changed or removed, as `kubectl diff` shows it.
struct ClusterChange {
  std::string object;              // "apps.v1.Deployment.NAMESPACE.NAME"
  std::vector<std::string> lines;  // of its YAML: "-" what goes, "+" what comes
};

// What a rollout would change there. Empty where nothing changes, nothing serves there yet, or it cannot be
// known before steps have run.
std::vector<ClusterChange> cluster_changes(const Spec& spec, const Plan& plan, const Effects& effects,
                                           const std::filesystem::path& store);

// The same of what `kubectl diff` printed; without the counter that the API server keeps of changes.
std::vector<ClusterChange> changes_in(const std::string& unified);

}  // namespace mlpipe
