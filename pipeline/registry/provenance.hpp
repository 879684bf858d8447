#pragma once

#include <optional>
#include <string>

#include "pipeline/exec/outline.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Where a release comes from, as JSON: the pipeline, its params, each step's derivation and action key, and
// the git revision of the project's folder ("3f2a… with local changes"; left out when it is no git checkout).
// `outline` holds the steps that are not in the plan, where it is only of a part of the pipeline.
std::string provenance_of(const Spec& spec, const Plan& plan, const std::optional<Outline>& outline);

}  // namespace mlpipe
