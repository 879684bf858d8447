#pragma once

#include <string>

#include "pipeline/plan/effects.hpp"
#include "pipeline/registry/registry.hpp"

namespace mlpipe {

// What a target needs to know of a release to serve it.
struct ServedRelease {
  std::string version;              // the label that answers carry
  Digest model;                     // of the model's folder
  std::filesystem::path directory;  // the model's folder in the store
};

// Where a deployment serves. The rollout's state machine is one for all (rollout.hpp); a target only carries
// it out. Every step may be repeated: a rollout that was cut off is begun again. Failures are Errors that say
// why.
class Target {
 public:
  virtual ~Target() = default;

  virtual ServingState observe() = 0;
  // What `observe` says once everything is as it should be.
  virtual WantedServing wanted() const = 0;

  // Makes the candidate able to answer, beside what serves now and without traffic. A target whose server
  // loads releases by itself starts one here when none is running, and loads in `shift`.
  virtual void bring_up(const ServedRelease& candidate) = 0;
  // Moves all traffic to the candidate, once it is loaded, warmed up and ready. No request fails.
  virtual void shift(const ServedRelease& candidate) = 0;
  // Makes the candidate what comes back after a crash.
  virtual void settle(const ServedRelease& candidate) = 0;
  // Undoes `bring_up` and `shift`: the previous release serves again.
  virtual void withdraw(const ServedRelease& previous) = 0;
  // Ends the deployment: finishes what is in flight, then nothing is left running.
  virtual void stop() = 0;
};

}  // namespace mlpipe
