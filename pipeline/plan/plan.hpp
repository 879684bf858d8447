#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/plan/capacity.hpp"
#include "pipeline/plan/choose.hpp"
#include "pipeline/plan/derivation.hpp"
#include "pipeline/plan/ready.hpp"
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
    skipped,    // its `if` does not hold, or a step that it needs was skipped
    blocked,    // a step before it did not succeed, one of its matrix failed, its selector cannot choose, or
                // the run was interrupted
  };

  const Step* step = nullptr;
  std::shared_ptr<const Step> with_outcomes;  // of a finally step that uses outcomes, once they are known
  State state = State::undecided;
  std::size_t retries = 0;  // how often its job was tried again
  bool forced =
      false;  // it runs although a result may be there: the selector wants more, --force, or it was lost
  bool anew = false;                 // it was asked for anew: what an earlier attempt left is not taken up
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

  // The step as its job sees it.
  const Step& as_it_runs() const { return with_outcomes ? *with_outcomes : *step; }
};

struct PlanOptions {
  std::set<std::string> force;       // run these even when a result is there
  std::optional<std::string> until;  // this step and what it needs, nothing else
  bool keep_going = false;           // no matrix fails fast
};

// How long steps took when they last succeeded, in seconds, by name.
using Durations = std::map<std::string, double>;

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

  // How many steps could start now.
  std::size_t ready() const { return ready_.size(); }
  // From now on steps start in the order of the longest way to the end; without, all count as equally long.
  void set_durations(const Durations& durations);
  // The next step to start, of those that fit into `free`, marked as running; nothing when there is none.
  std::optional<std::size_t> take_ready(const Capacity& free = Capacity::unlimited());
  // A running step does not run any more and is to be started again: not before put_back().
  void hold(std::size_t index);
  // Gives a step back that runs or is held: it is ready again, or blocked where nothing of its kind is to
  // start.
  void put_back(std::size_t index);
  // A running step ended; it is ready again when its selector wants more results. Steps after it become
  // ready, cached, skipped or blocked; returns those that became cached, because what stands for the steps
  // before them is the same bytes as once before.
  std::vector<std::size_t> finish(std::size_t index, Result result);
  // The same for one that did not run, because its result was brought from elsewhere: it is cached.
  std::vector<std::size_t> finish_brought(std::size_t index, Result result);
  // One more reason that is said for a step.
  void add_reason(std::size_t index, std::string reason);
  // The result of an ended step has been written down, under this id.
  void record(std::size_t index, std::int64_t id);
  // Nothing more is to be started but finally steps: all others that do not run are blocked.
  void stop();
  // Running steps that are to be ended, because one of their matrix failed; each is returned once.
  std::vector<std::size_t> take_unwanted();
  // Steps that were skipped or blocked since the last call.
  std::vector<std::size_t> take_passed_over();

 private:
  using State = PlannedStep::State;
  // One step comes after another.
  struct Link {
    std::size_t index;  // of the other end
    bool needs;         // the other must succeed; else it must end
  };

  void connect(std::size_t index);
  void decide(std::size_t index);
  bool decide_condition(std::size_t index);
  bool decide_order(std::size_t index);
  std::string rerun_reason(std::size_t index) const;
  void put_outcomes_into(PlannedStep& planned);
  void say_after_what(std::size_t index);
  void measure_ways(const Durations& durations);
  void become_ready(std::size_t index);
  bool pass_over_after(std::size_t before, std::size_t index);
  void pass_over(std::size_t index, State state, std::string reason);
  std::vector<std::size_t> settle(std::vector<std::size_t> ended);
  void settle_after(std::size_t before, const Link& link, std::vector<std::size_t>& ended);
  void fail_fast(std::size_t index, std::vector<std::size_t>& ended);
  std::vector<std::size_t> indices_of(const std::string& name) const;
  std::string outcome_of(const std::string& name) const;
  std::optional<Value> look_up(const StepReference& asked) const;
  std::optional<Recipe> action_of(std::size_t index) const;
  // Makes the results what stands for the step.
  void stand(std::size_t index, std::vector<Result> chosen);
  std::vector<Result> results_of(const Digest& action_key) const;
  std::vector<std::string> reasons_of(const PlannedStep& planned, const std::vector<Result>& results,
                                      const Choice& choice) const;

  const Spec& spec_;
  const Snapshot& snapshot_;
  PlanOptions options_;
  KnownSteps known_;
  std::vector<PlannedStep> steps_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::vector<Link>> before_;  // what a step comes after
  std::vector<std::vector<Link>> after_;   // what comes after it
  std::vector<std::size_t> pending_;       // how many before it have not ended
  std::vector<double> way_to_the_end_;
  ReadySteps ready_;
  bool stopped_ = false;
  std::map<std::string, std::string> failed_groups_;  // matrices that failed fast, and how that is said
  std::vector<std::size_t> unwanted_;
  std::vector<std::size_t> passed_over_;
  // What this run yielded for a key, the oldest first, and the steps that it stands for.
  struct Fresh {
    std::vector<Result> results;
    std::vector<std::size_t> used_by;
  };
  std::unordered_map<Digest, Fresh> fresh_;
};

const char* name_of(PlannedStep::State state);

}  // namespace mlpipe
