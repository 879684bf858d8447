#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/result.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// What differs between two recipes, each as a person would say it: "data/train.csv renamed to data/t.csv",
// "env.COLOR: red → blue", "command: --epochs 3 → --epochs 5". Empty when they are equal.
std::vector<std::string> differences(const Recipe& before, const Recipe& after);

// Why a step runs that no result stands for: what differs from `last`, which it stood for before. A changed
// param is named ("params.lr: 0.001 → 0.003") in place of where it is used.
std::vector<std::string> reasons_to_run(const Step& step, const Recipe& action,
                                        const std::optional<Realization>& last);

}  // namespace mlpipe
