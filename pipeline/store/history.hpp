#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/plan/plan.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// A run that did something.
struct RunRecord {
  std::int64_t number = 0;
  std::string pipeline;
  std::map<std::string, std::string> params;
  std::string outcome;  // "succeeded", "failed", "interrupted"; "unfinished": it runs, or was killed
  std::string git;      // revision of the project; empty: not known
  std::string release;  // "digits:3", when the run published it or moved the alias to it
  std::chrono::system_clock::time_point started;
  std::optional<std::chrono::system_clock::time_point> finished;
};

// How a step of a run ended. Results are named by their rows.
struct RunStepRecord {
  std::string step;
  Digest action_key;                 // zero: it never came to one
  std::string outcome;               // of name_of(PlannedStep::State)
  std::vector<std::int64_t> chosen;  // what stood for it afterwards, the oldest first
  std::int64_t ran = 0;              // what it yielded in this run, failed or not; 0: it did not run
  std::vector<std::string> reasons;  // why it ran, or was blocked
};

// As the plan says it.
RunStepRecord record_of(const std::string& name, const PlannedStep& planned);

// The runs that did something, in the store's index; a run that found nothing to do leaves no trace. Every
// run has a row, each of its steps one, and what is to be said about a step besides that it was cached one
// more.
class History {
 public:
  // The store must outlive this.
  explicit History(const Store& store) : store_(store) {}

  // Returns the run's number.
  std::int64_t begin(const std::string& pipeline, const std::map<std::string, std::string>& params) const;
  // One step, in the caller's transaction; replaces what was written of it.
  void add_step(std::int64_t run, const RunStepRecord& step) const;
  // All in one transaction.
  void add_steps(std::int64_t run, std::span<const RunStepRecord> steps) const;
  void end(std::int64_t run, const std::string& outcome, const std::string& git,
           const std::string& release) const;

  // The newest first, at most so many.
  std::vector<RunRecord> runs(std::size_t most) const;
  std::optional<RunRecord> find(std::int64_t run) const;
  // The run of the same pipeline before it.
  std::optional<RunRecord> before(const RunRecord& run) const;
  // Those that ran in the order in which they began, then the others by name.
  std::vector<RunStepRecord> steps(std::int64_t run) const;
  // The steps with that outcome, by name, at most so many.
  std::vector<std::string> names(std::int64_t run, const std::string& outcome, std::size_t most) const;
  // How often each outcome is among the steps of the run.
  std::map<std::string, std::size_t> outcomes(std::int64_t run) const;

  // Empty once the result was collected.
  std::optional<Result> result(std::int64_t row) const;
  std::optional<Recipe> recipe(const Digest& action_key) const;
  // The params that the step of this pipeline used with that key.
  std::map<std::string, std::string> params_of(const std::string& pipeline, const std::string& step,
                                               const Digest& action_key) const;
  // The first run that yielded the result, and as which step.
  struct Origin {
    RunRecord run;
    RunStepRecord step;
  };
  std::optional<Origin> origin(std::int64_t result) const;
  // The steps, of whichever pipeline, that ever led to the key.
  struct Use {
    std::string pipeline;
    std::string step;
  };
  std::vector<Use> uses(const Digest& action_key) const;
  // The run during which an alias moved to that release.
  std::optional<std::int64_t> run_that_moved_to(const std::string& release,
                                                std::chrono::system_clock::time_point at) const;

 private:
  const Store& store_;
};

}  // namespace mlpipe
