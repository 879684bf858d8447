#pragma once

#include <functional>

#include "pipeline/cli/command.hpp"
#include "pipeline/run/run_pipeline.hpp"

namespace mlpipe {

// What the command line changes of the pipeline's file.
Adjustments adjustments_of(const Invocation& invocation);

// What the command asks of a run: the file, params, and which steps.
RunRequest request_of(const Invocation& invocation);

// Makes the plan that a run would follow, and hands it out; writes nothing. `ask_remote`: the plan also says
// what the remote has, which takes its time.
using UsePlan = std::function<void(const Plan&, const Effects&, const Spec&)>;
void with_plan(const Invocation& invocation, const UsePlan& use, bool ask_remote = false);

// The step of that name. UsageError with the nearest one when there is none.
const PlannedStep& planned_step(const Plan& plan, const std::string& name);

}  // namespace mlpipe
