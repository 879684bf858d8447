#pragma once

#include "pipeline/exec/programs.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {

// Looks at everything that a plan is made from: the dependencies' content, the tools. Throws SpecError, with
// every dependency and every tool that is not there, at its place in the file.
Snapshot take_snapshot(const Spec& spec, const Programs& programs, FileHashes& hashes,
                       const ResultSource& results);

// Knows no results: for a plan where there is no store yet.
class NoResults : public ResultSource {
 public:
  std::vector<Result> results(const Digest&) const override { return {}; }
  std::optional<Realization> last_realization(const std::string&, const std::string&) const override {
    return {};
  }
};

}  // namespace mlpipe
