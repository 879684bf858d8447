#pragma once

#include <filesystem>

#include "pipeline/cli/command.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// The pipeline's file: the argument FILE or --file, a folder's pipeline.yaml, else pipeline.yaml here.
std::filesystem::path pipeline_file(const Invocation& invocation);

// The store that the command is about: --store, $MLPIPE_STORE, beside the named pipeline, or that of this
// folder or the nearest one above it. UsageError that says how to name one when there is none.
Store find_store(const Invocation& invocation);
// The same for a command that changes nothing, which works on a full and on a read-only disk too.
Store find_store_to_read(const Invocation& invocation);

}  // namespace mlpipe
