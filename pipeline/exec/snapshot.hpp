#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/exec/programs.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/dependencies.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// What was looked at for each dependency, by its text in `deps`.
using WatchedDependencies = std::unordered_map<std::string, std::vector<Watched>>;

// Looks at everything that a plan is made from: the dependencies' content, what images are built from, the
// tools. Throws SpecError, with everything that is not there, at its place in the file. `watched` and
// `watched_images`, when given, hear what was looked at.
Snapshot take_snapshot(const Spec& spec, const Programs& programs, FileHashes& hashes,
                       const ResultSource& results, WatchedDependencies* watched = nullptr,
                       std::vector<Watched>* watched_images = nullptr);

// Fills in the digests of files that were found, all at once: hashing uses every core.
void hash_dependencies(const std::filesystem::path& project, FileHashes& hashes,
                       std::map<std::string, DependencyFiles>& dependencies);

// Knows no results: for a plan where there is no store yet.
class NoResults : public ResultSource {
 public:
  std::vector<Result> results(const Digest&) const override { return {}; }
  std::string why_lost(const Digest&) const override { return ""; }
  std::optional<Realization> last_realization(const std::string&, const std::string&) const override {
    return {};
  }
};

}  // namespace mlpipe
