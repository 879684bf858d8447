#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "pipeline/exec/outline.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// The git revision of a folder: "3f2a…", "3f2a… with local changes"; empty where there is no git or no
// checkout.
std::string git_revision(const std::filesystem::path& project);

// Where a release comes from, as JSON: the pipeline, its params, each step's derivation, action key and the
// ids of the results that stand for it, and the git revision unless it is empty. `outline` holds the steps
// that are not in the plan, where it is only of a part of the pipeline.
std::string provenance_of(const Spec& spec, const Plan& plan, const std::optional<Outline>& outline,
                          const std::string& git);

}  // namespace mlpipe
