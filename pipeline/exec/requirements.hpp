#pragma once

#include <optional>
#include <string>

#include "pipeline/base/process.hpp"
#include "pipeline/exec/container_host.hpp"
#include "pipeline/exec/secrets.hpp"
#include "pipeline/plan/capacity.hpp"
#include "pipeline/plan/plan.hpp"

namespace mlpipe {

// Looks whether everything that the plan will or may run can run on this machine, and finds the secrets that
// it needs. Throws SpecError with what can never fit and the secrets that are missing, at their places in the
// file, which messages call `shown_file`.
Secrets require_what_runs(const Spec& spec, const Plan& plan, const Capacity& machine,
                          const Environment& environment, const std::string& shown_file);

// Looks for the engine that steps which the plan will or may run in containers need; nothing when there are
// no such steps. Throws Error when there is none that answers, SpecError with the GPUs that it cannot give.
std::optional<ContainerHost> require_container_host(const Spec& spec, const Plan& plan,
                                                    const Environment& environment,
                                                    const std::string& shown_file);

// Looks whether the cluster answers that steps which the plan will or may run in one need, or the deployment
// of a run in which any runs, and whether images can get there; asks nobody when nothing needs one. Throws
// Error, SpecError for images that could be pushed nowhere.
void require_cluster(const Spec& spec, const Plan& plan, const Environment& environment,
                     const std::string& shown_file);

// Where images are pushed to, "HOST/REPOSITORY", that a cluster is to pull; empty: the file does not say.
std::string cluster_registry(const Spec& spec);

}  // namespace mlpipe
