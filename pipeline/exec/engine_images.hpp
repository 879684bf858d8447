#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// An image that a result names.
struct ImageResult {
  std::string id;                            // "sha256:…"
  std::string name;                          // what the engine also knows it by
  std::map<std::string, std::string> bases;  // ids of what it was made from, by their names
};

// What the result of an image step says. Throws Error when it says something else.
ImageResult image_of(const Result& result, const Blobs& blobs);

// Ids by name or id as the engine has them; empty: it has none.
using EngineImages = std::map<std::string, std::string>;

// The images that a plan stands on and what they were made from. As long as the engine still says so, and
// nothing else changed, the plan holds.
EngineImages images_behind(const Plan& plan, const Blobs& blobs, EngineImages seen);
// Whether the engine still has exactly these: one call of it.
bool are_as_they_were(const EngineImages& images);

// The results of a store, without those whose image the engine does not have any more, and those that were
// made from another base image than it has now: an image stands as long as it is there and its bases are the
// ones that it was made from. A base that is not in the engine says nothing against it. Asks the engine once
// for all newest results, and only when there are any. Not thread-safe.
class ResultsInEngine : public ResultSource {
 public:
  // The images of `spec` as the snapshot has them. All must outlive this.
  ResultsInEngine(const Store& store, const Spec& spec, const Snapshot& snapshot);

  std::vector<Result> results(const Digest& action_key) const override;
  std::string why_lost(const Digest& action_key) const override;
  std::optional<Realization> last_realization(const std::string& pipeline,
                                              const std::string& step) const override {
    return store_.last_realization(pipeline, step);
  }

  // What the engine was asked so far.
  const EngineImages& seen() const { return seen_; }

 private:
  const Engine& engine() const;
  void ask_about_newest() const;
  const std::string& id_of(const std::string& reference) const;
  std::string fault_of(const Result& result) const;

  const Store& store_;
  std::set<Digest> image_keys_;
  mutable std::optional<Engine> engine_;
  mutable EngineImages seen_;
  mutable bool asked_ = false;
};

}  // namespace mlpipe
