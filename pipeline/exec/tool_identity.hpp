#pragma once

#include <optional>
#include <string>

#include "pipeline/plan/snapshot.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// The identity of the program that a name stands for: the digest of the file at the end of its links; of a
// script, also that of its interpreter. Nothing when there is no such program.
std::optional<std::string> identity_of_tool(const ToolPlace& place, FileHashes& hashes);

}  // namespace mlpipe
