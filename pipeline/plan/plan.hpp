#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/plan/choose.hpp"
#include "pipeline/plan/derivation.hpp"
#include "pipeline/plan/result.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// What a node needs now.
struct PlannedStep {
  enum class State {
    cached,     // a result is there
    run,        // it runs once the steps before it have succeeded
    undecided,  // runs or not by what the steps before it yield
    running,
    succeeded,  // it ran
    failed,     // it ran
    blocked,    // a step before it did not succeed, or its selector cannot choose
  };

  const Step* step = nullptr;
  State state = State::undecided;
  bool forced = false;  // it runs although a result is there: the selector wants more, or --force
  std::vector<std::string> reasons;  // why it runs, or what it waits for or is blocked by
  Digest derivation;
  std::optional<Recipe> action;  // known once its inputs are
  Digest action_key;
  std::vector<Result> chosen;    // what stands for it, the oldest first; one, unless the selector takes many
  std::optional<Result> result;  // what it yielded in this run, failed or not
  std::string kept;              // why that is not what stands for it: an older result goes on doing so

  // What stands for an output: one, or one of each chosen result where the selector takes many.
  std::vector<Output> outputs(std::string_view out) const;
  // Of what stands for it; where several results do, their means.
  std::map<std::string, double> metrics() const;
};

struct PlanOptions {
  std::set<std::string> force;       // run these even when a result is there
  std::optional<std::string> until;  // this step and what it needs, nothing else
};

// What was found before, and still stands because nothing that it depends on has changed.
struct KnownSteps {
  std::unordered_map<std::string, PlannedStep> steps;  // the spec need not hold the steps before them
  std::size_t left_out = 0;                            // steps that the spec does not hold at all
};

// The graph and what each node needs now. Pure: it looks at the spec and the snapshot, never at a clock, a
// disk or a process. While the executor runs it is told how steps ended, and says what is ready next. Not
// thread-safe.
class Plan {
 public:
  // Spec and snapshot must outlive the plan. Throws UsageError for an unknown step in the options.
  Plan(const Spec& spec, const Snapshot& snapshot, const PlanOptions& options = {}, KnownSteps known = {});

  // In an order in which they could run one by one.
  const std::vector<PlannedStep>& steps() const { return steps_; }
  const PlannedStep* find(std::string_view name) const;

  bool anything_to_run() const;
  // How many steps of the pipeline are not here because nothing that they depend on has changed.
  std::size_t left_out() const { return known_.left_out; }
  // The step that the run was asked to end with.
  const std::optional<std::string>& until() const { return options_.until; }
  std::size_t count(PlannedStep::State state) const;

  // A step that can start now, marked as running; nothing when none can.
  std::optional<std::size_t> take_ready();
  // Gives a running step back: it is ready again.
  void put_back(std::size_t index);
  // A running step ended; it is ready again when its selector wants more results. Steps after it become
  // ready, cached, or blocked; returns those that became cached, because what stands for the steps before
  // them is the same bytes as once before.
  std::vector<std::size_t> finish(std::size_t index, Result result);
  // The result of an ended step has been written down, under this id.
  void record(std::size_t index, std::int64_t id);

 private:
  void decide(std::size_t index);
  void block_after(std::size_t index);
  bool upstream_done(std::size_t index) const;
  std::optional<Recipe> action_of(std::size_t index) const;
  // Makes the results what stands for the step.
  void stand(std::size_t index, std::vector<Result> chosen);
  std::vector<Result> results_of(const Digest& action_key) const;
  std::vector<std::string> reasons_of(const PlannedStep& planned, const std::vector<Result>& results,
                                      const Choice& choice) const;
  bool is_stopped(std::size_t index) const;

  const Spec& spec_;
  const Snapshot& snapshot_;
  PlanOptions options_;
  KnownSteps known_;
  std::vector<PlannedStep> steps_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::vector<std::size_t>> upstream_;
  std::vector<std::vector<std::size_t>> downstream_;
  std::set<std::size_t> ready_;
  // What this run yielded for a key, the oldest first, and the steps that it stands for.
  struct Fresh {
    std::vector<Result> results;
    std::vector<std::size_t> used_by;
  };
  std::unordered_map<Digest, Fresh> fresh_;
};

const char* name_of(PlannedStep::State state);

}  // namespace mlpipe
