#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/result.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Why a step runs, as a person would say it: "params.lr: 0.001 → 0.003", "data/train.csv changed", "no result
// yet". `last` is what the step stood for before; `last_failure`, when not empty, is how this very
// action ended the last time.
std::vector<std::string> reasons_to_run(const Step& step, const Recipe& action,
                                        const std::optional<Realization>& last,
                                        const std::string& last_failure);

}  // namespace mlpipe
