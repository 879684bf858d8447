#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/plan/snapshot.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// The files behind a dependency: the file itself, all below a folder, or a glob's matches (* and ? within a
// name, ** across folders), sorted. Empty when nothing is there. Links are followed; a store's own folder and
// .git are not part of any folder.
DependencyFiles find_dependency(const std::filesystem::path& project, const std::string& path,
                                FileHashes& hashes);

bool is_glob(const std::string& path);
// Whether the glob matches a whole relative path.
bool matches_glob(const std::string& glob, const std::string& path);

}  // namespace mlpipe
