#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/result.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Why a step runs, as a person would say it: "params.lr: 0.001 → 0.003", "data/train.csv changed", "no result
// yet". `last` is what the step stood for before; `had_failed` says that this very action was tried and
// failed.
std::vector<std::string> reasons_to_run(const Step& step, const Recipe& action,
                                        const std::optional<Realization>& last, bool had_failed);

}  // namespace mlpipe
