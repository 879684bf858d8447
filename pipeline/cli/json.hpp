#pragma once

#include <string>
#include <vector>

#include "pipeline/registry/registry.hpp"
#include "pipeline/run/cluster_view.hpp"
#include "pipeline/run/run_pipeline.hpp"

namespace mlpipe {

// The documents that --json prints, each ending with a newline.
std::string plan_json(const Plan& plan, const Effects& effects, const Spec& spec,
                      const std::vector<ClusterChange>& changes);
std::string faults_json(const std::string& file, const std::vector<Diagnostic>& faults);
std::string run_json(const RunReport& report);
std::string release_json(const Release& release, const Registry& registry);
std::string releases_json(const std::vector<Release>& releases, const Registry& registry);

}  // namespace mlpipe
