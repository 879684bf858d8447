#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/exec/engine_images.hpp"
#include "pipeline/exec/snapshot.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

using StepVisitor = std::function<void(const std::string& name, const PlannedStep& step)>;

// What a run looked at and found, step by step, so that the next one neither parses the file again nor plans
// what did not change. One file for each pipeline file and profile, outlines/<digest> in the store; only the
// build that wrote it reads it. It is a memory, not a truth: what does not fit, is damaged or is missing
// means that the pipeline is read and planned as a whole.
class Outline {
 public:
  // What must be the same for an outline to hold, besides files and results.
  struct Key {
    std::filesystem::path file;  // absolute
    Adjustments adjustments;
    Tools tools;
  };
  // The part of a pipeline that has to be planned again, and what of the rest it hangs on.
  struct Part {
    Spec spec;                    // has only the steps of this part, and no document
    Snapshot snapshot;            // of their dependencies; has no tools yet
    WatchedDependencies watched;  // of those that were looked at anew
    KnownSteps known;
    bool outdated = false;  // something was looked at anew: the outline is worth writing again

    bool plans_an_image() const;
  };

  // Nothing when there is none that holds for the key and the file as it is now.
  static std::optional<Outline> find(const Store& store, const Key& key);

  // Asks the container engine about the images, where there are any, and looks at every dependency again: one
  // stat each, and a new hash only for what changed. Nothing when something is wrong that only the whole file
  // can explain. The store must outlive the part.
  std::optional<Part> look_again(const Store& store, FileHashes& hashes) const;

  // Every step of the pipeline with what is known of it: those of the part, and those that were left out.
  void for_each_step(const Plan& part, const StepVisitor& visit) const;

 private:
  friend class OutlineWriter;
  struct Content;
  std::shared_ptr<const Content> content_;
};

// Every step of the pipeline that a plan is for, or for a part of which, where there is an outline.
void for_each_step(const Plan& plan, const std::optional<Outline>& outline, const StepVisitor& visit);

// When what the plan is made from began to be looked at: an outline tells by it what may have changed since.
struct LookedAt {
  std::int64_t clock = 0;          // stamp_clock()
  std::int64_t newest_result = 0;  // of the store

  static LookedAt now(const Store* store);
};

// What was looked at for the images of a pipeline.
struct LookedAtImages {
  std::vector<Watched> files;  // that they are built from
  EngineImages in_engine;      // that the plan stands on
};

// Writes down what a plan found once everything has ended. `pipeline` is the stamp that the file had before
// it was read, `watched` what was looked at for the dependencies in `snapshot`; `previous` is where the plan
// is only a part of the pipeline: what it says of images still holds. Fails silently: an outline only saves
// time.
void write_outline(const Store& store, const Outline::Key& key, const FileStamp& pipeline, const Spec& spec,
                   const Plan& plan, const Snapshot& snapshot, const WatchedDependencies& watched,
                   const LookedAt& looked_at, const LookedAtImages& images, const Outline* previous);

}  // namespace mlpipe
