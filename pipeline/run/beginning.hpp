#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "pipeline/exec/outline.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/exec/snapshot.hpp"
#include "pipeline/run/run_pipeline.hpp"

namespace mlpipe {

// What a run is planned from: the whole pipeline, or the part of it that may have changed since the last run.
struct Beginning {
  std::shared_ptr<const Spec> spec;
  Snapshot snapshot;
  KnownSteps known;
  WatchedDependencies watched;
  std::vector<Watched> image_files;         // that images are built from
  std::unique_ptr<ResultsInEngine> images;  // the snapshot's results, where the pipeline has images
  // For the next run's outline:
  Outline::Key key;
  FileStamp pipeline;
  LookedAt looked_at;
  std::optional<Outline> outline;  // where this is only a part
  bool worth_remembering = false;

  // Writes the outline for the next run, where it would say more than the one that is there.
  void remember(const Store& store, const Plan& plan) const;
};

// Reads the request's file, or what the outline of the last run says of it where that still holds. `file` is
// its absolute path; without a `store` there are no results yet. Both `hashes` and `store` must outlive what
// is returned. Throws SpecError and UsageError.
Beginning begin(const RunRequest& request, const std::filesystem::path& file, const Programs& programs,
                FileHashes& hashes, const Store* store);

}  // namespace mlpipe
