#pragma once

#include <functional>
#include <optional>
#include <string>

#include "pipeline/deploy/target.hpp"

namespace mlpipe {

// The way of a release to its traffic, the same on every target: bring up → shift → settle → promoted; a
// failure on the way leads to withdraw → aborted. Pure: it is told how each effect went and says what comes
// next.
class Rollout {
 public:
  enum class Phase { bring_up, shift, settle, promoted, withdraw, aborted };

  Rollout() = default;
  // A rollout without a release that serves now has nothing to go back to.
  explicit Rollout(bool has_previous) : has_previous_(has_previous) {}

  Phase phase() const { return phase_; }
  bool ended() const { return phase_ == Phase::promoted || phase_ == Phase::aborted; }
  // Why it was aborted.
  const std::string& failure() const { return failure_; }

  void effect_succeeded();
  void effect_failed(const std::string& reason);

 private:
  Phase phase_ = Phase::bring_up;
  bool has_previous_ = false;
  std::string failure_;
};

const char* name_of(Rollout::Phase phase);

// Carries a rollout out on a target. `record` is called with the phase before its effect, so that the next
// command can see what a killed one began. Returns the ended rollout.
Rollout roll_out(Target& target, const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
                 const std::function<void(Rollout::Phase)>& record);

}  // namespace mlpipe
