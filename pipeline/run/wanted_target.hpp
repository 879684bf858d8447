#pragma once

#include <filesystem>
#include <memory>

#include "pipeline/deploy/target.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/plan/effects.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// The target of the pipeline's deployment, made of what the plan's steps have yielded so far: images are
// known once their steps have ended, and until then it can only be observed. Null for a pipeline that does
// not deploy. `store` is the store's folder, which need not be there yet.
std::unique_ptr<Target> wanted_target(const Spec& spec, const Plan& plan, const Programs& programs,
                                      const std::filesystem::path& store, FileHashes& hashes);

// What the target should come to, and which step that waits for.
WantedServing wanted_serving(const Spec& spec, const Plan& plan, const Target* target);

}  // namespace mlpipe
