#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/deploy/target.hpp"
#include "pipeline/exec/executor.hpp"
#include "pipeline/plan/effects.hpp"
#include "pipeline/registry/registry.hpp"

namespace mlpipe {

struct RunRequest {
  std::filesystem::path file;
  Adjustments adjustments;
  PlanOptions plan;
  std::size_t jobs = 0;     // 0: as many as cores here, and 256 in a cluster
  bool dry_run = false;     // plan and show, write nothing
  bool ask_remote = false;  // say in a dry run, too, what the remote has
  bool whole = false;       // report every step, also those that nothing changed for since the last run
  const std::atomic<int>* interrupts = nullptr;
};

// What a run did, as a value: for people, for programs, and for what triggers runs.
struct RunReport {
  enum class Outcome { succeeded, failed, interrupted };
  Outcome outcome = Outcome::succeeded;
  bool changed = false;            // a job ran or an effect was carried out
  std::vector<PlannedStep> steps;  // their `step` points into `spec`
  std::size_t left_out = 0;        // steps that are not among them: nothing changed for these
  Effects effects;
  std::vector<std::string> gate_failures;  // what the gate found missing
  std::string rollout_failure;             // why a rollout was aborted
  bool new_version = false;                // `release` did not exist before
  std::optional<Release> release;          // what the pipeline's model is published as
  std::optional<Release> serving;          // what the alias stands for afterwards
  std::string address;                     // of the server, when there is one
  std::filesystem::path store;
  std::shared_ptr<const Spec> spec;
};

// "succeeded", "failed", "interrupted".
const char* name_of(RunReport::Outcome outcome);

// Hears of a run as it goes.
class RunObserver : public Observer {
 public:
  // Before anything runs; no secret may be shown.
  virtual void planned(const Plan&, const Effects&, const Spec&, const Secrets&) {}
  virtual void gate_passed(const Spec&, const RunReport&) {}
  virtual void published(const Release&, bool /*new_version*/) {}
  virtual void rolling_out(const Release&, const Effects&) {}
  // A canary, each time that it was looked at.
  virtual void watched(const Release&, int /*percent*/, const Traffic&) {}
};

// One file in, one deployment out: loads the spec, looks at the store and the target, plans, runs the jobs,
// publishes the release and rolls it out. Does only what changed. Throws SpecError and UsageError before
// anything has run; a failed step, gate or rollout is part of the report.
RunReport run_pipeline(const RunRequest& request, RunObserver& observer);

// Moves the alias of a deployment to a release by hand ("rollback", "promote") and rolls it out. Throws Error
// when the rollout fails; the old release then goes on serving.
void move_by_hand(const Store& store, const Release& release, const std::string& alias,
                  const std::string& reason);

}  // namespace mlpipe
