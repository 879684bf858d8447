#pragma once

#include <map>
#include <optional>
#include <string>

#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/snapshot.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// What the registry and the target say, as a value.
struct Observed {
  std::optional<AliasState> alias;  // nothing: no release stands for it yet
  std::map<Digest, int> releases;   // of the model, by the digest of their tree
  ServingState serving;
};

// What a deployment should be, besides its release.
struct WantedServing {
  std::string server;                 // identity of the server program or image
  std::string shape;                  // host and port
  std::string what = "mlpipe-serve";  // `server` is of
  std::string after;                  // the step that makes it and has not yet; empty: it is there
};

// What follows the jobs. Effects are planned from (wanted, observed) and never cached.
struct Effects {
  enum class Publish {
    none,       // the pipeline names no model, or there is none to publish
    unchanged,  // the alias stands for these bytes
    publish,    // a new release, if the gate lets it pass
    move,       // these bytes were released before: the alias moves to that version
    set_aside,  // a rollback moved the alias away from this version; it is left alone
    undecided,  // the model is not there yet
  };
  enum class Rollout { none, unchanged, start, update, restart, undecided };

  Publish publish = Publish::none;
  int version = 0;  // move, set_aside, unchanged: the release's
  std::string publish_reason;
  std::string model_step;  // that the model comes from, once it is known
  Rollout rollout = Rollout::none;
  std::string rollout_reason;

  bool nothing_to_do() const;
};

Effects plan_effects(const Spec& spec, const Plan& plan, const Observed& observed,
                     const WantedServing& wanted);

// The step whose output is the model. Of a matrix it is the combination with the best metric, as its `select`
// says, of equal ones the first; only once all that were not skipped have their results. Null: there is none
// yet.
const PlannedStep* model_step(const Spec& spec, const Plan& plan);

// The output that is to be published; null when its step has no result.
const Output* model_output(const Spec& spec, const Plan& plan);

}  // namespace mlpipe
