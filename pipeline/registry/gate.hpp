#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// The metrics that a release records: those of the step behind `model.from` by their own names, others as
// "check.f1".
std::map<std::string, double> release_metrics(const Spec& spec, const Plan& plan);

// What the gate finds missing, one sentence each ("accuracy is 0.912, wanted >= 0.985: short by 0.073");
// empty when the gate holds or there is none. A term with `current` holds when there is no current release or
// it has no such metric. Throws Error for a metric that no step reports.
std::vector<std::string> unmet_gate(const Spec& spec, const Plan& plan,
                                    const std::optional<AliasState>& current);

}  // namespace mlpipe
