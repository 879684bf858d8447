#pragma once

#include <optional>
#include <string>

#include "pipeline/base/process.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// The identity of the program that a name stands for in the PATH of `environment`: the digest of the file at
// the end of its links; of a script, also that of its interpreter. Nothing when there is no such program.
std::optional<std::string> identity_of_tool(const std::string& name, const Environment& environment,
                                            FileHashes& hashes);

}  // namespace mlpipe
