#pragma once

#include <filesystem>

#include "pipeline/agent/job.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// Lays out what an image is built from in `work`, as the snapshot has it, and fills in what mlpipe-image is
// called with and what tells it where the engine is. Throws Error when there is no engine, or when something
// is no longer what the plan saw.
void prepare_image(const ImageSpec& image, const Spec& spec, const Snapshot& snapshot,
                   const Programs& programs, const Store& store, const std::filesystem::path& work, Job& job);

// Of the variables that an engine looks at, those whose values are secret. A job that makes an image has them
// as secrets, which are in no file.
Environment engine_credentials();

}  // namespace mlpipe
