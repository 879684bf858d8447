#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "pipeline/exec/container_host.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/exec/remote_results.hpp"
#include "pipeline/exec/runner.hpp"
#include "pipeline/exec/secrets.hpp"
#include "pipeline/exec/sentences.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// A job that runs now.
struct RunningStep {
  const PlannedStep* step = nullptr;
  std::chrono::steady_clock::time_point since;
  std::filesystem::path directory;  // of the job: its log and progress
  bool attached = false;            // its job was started by another mlpipe, or for an equal step of this run
  std::string equal_to;             // the step of this run that computes the same; empty: none
};

// Hears what the executor does; called on the thread that called execute.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void step_started(const RunningStep&) {}
  // The step has its result, and it is on disk. Steps after it may have started before.
  virtual void step_finished(const PlannedStep&) {}
  // The step's job failed and is tried again after the wait.
  virtual void step_retrying(const PlannedStep&, const Result& /*failed*/, std::chrono::milliseconds) {}
  // The step was skipped or blocked.
  virtual void step_passed_over(const PlannedStep&) {}
  // The step's upstream yielded what it once did, so a result is there; or one was brought from the remote,
  // and is the step's `result`.
  virtual void step_cached(const PlannedStep&) {}
  // Something is not as it should be, and the run goes on.
  virtual void warned(const std::string& /*sentence*/) {}
  // About ten times a second while jobs run.
  virtual void tick(std::span<const RunningStep>) {}
};

struct ExecutionOptions {
  Capacity capacity = Capacity::unlimited();     // how many jobs run at once, and what they may take up
  Secrets secrets;                               // that steps use
  const std::atomic<int>* interrupts = nullptr;  // above 0: end what runs, start nothing but finally steps
  std::int64_t run = 0;                          // the run in the history that steps are written down for
  RemoteResults* remote = nullptr;               // is asked before a step runs, and gets what ran
  std::optional<ContainerHost> container_host = {};  // of steps that run in containers
  Sentences* sentences = nullptr;                    // what others have to say, for the observer
};

// Runs what the plan needs, as many jobs at once as allowed and as fit into the capacity; steps that do not
// depend on a failed one still run. A failed job is tried again as its step says. Afterwards the plan says
// how every step ended. True when it was interrupted.
bool execute(Plan& plan, const Spec& spec, const Snapshot& snapshot, const Programs& programs, Store& store,
             std::shared_ptr<Runner> runner, Observer& observer, const ExecutionOptions& options);

}  // namespace mlpipe
