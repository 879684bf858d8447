#pragma once

#include <optional>

#include "pipeline/exec/container_host.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/exec/runner.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// Where a step's job is, whether or not it is there.
PreparedJob job_of(const Store& store, const Digest& action_key);

// What an output is called in the folder of several results' own: "1", "2", …, with zeros before it where
// there are more than nine, so that the order of names is that of age.
std::string position_name(std::size_t index, std::size_t count);

// Lays out the folder of a step's job: its declared dependencies at their project-relative paths, its inputs
// as links to the store's read-only bytes under inputs/, folders for its outs, and job.json. What is not
// declared is not there. In a container its inputs are mounted there instead. `gpus` are those that the job
// was given, `host` what a step in a container runs on. Throws Error when a dependency is no longer what the
// plan saw.
PreparedJob prepare_job(const Spec& spec, const Plan& plan, const PlannedStep& planned,
                        const Snapshot& snapshot, const Programs& programs, const Store& store,
                        const std::vector<std::string>& gpus, const std::optional<ContainerHost>& host);

}  // namespace mlpipe
