#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan/snapshot.hpp"
#include "pipeline/store/file_stamp.hpp"

namespace mlpipe {

// What was looked at to find a dependency: as long as every one of these is as it was, the dependency is too.
struct Watched {
  std::string path;                // relative to the project's folder
  std::optional<FileStamp> stamp;  // nothing: there was nothing

  friend bool operator==(const Watched&, const Watched&) = default;
};

// What is behind a dependency: the file itself, all below a folder, or a glob's matches (* and ? within a
// name, ** across folders).
struct FoundDependency {
  std::vector<DependencyFile> files;  // sorted by path; their digests are not known yet
  std::vector<Watched> watched;       // every one of `files`, and every folder that was read
};

// Links are followed; a store's own folder and .git are not part of any folder. No files: nothing is there.
FoundDependency find_dependency(const std::filesystem::path& project, const std::string& path);

bool is_glob(const std::string& path);
// Whether the glob matches a whole relative path.
bool matches_glob(const std::string& glob, const std::string& path);

}  // namespace mlpipe
