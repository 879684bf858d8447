#include "pipeline/deploy/rollout.hpp"

#include "pipeline/base/error.hpp"

namespace mlpipe {

using Phase = Rollout::Phase;

void Rollout::effect_succeeded() {
  switch (phase_) {
    case Phase::bring_up:
      phase_ = Phase::shift;
      break;
    case Phase::shift:
      phase_ = Phase::settle;
      break;
    case Phase::settle:
      phase_ = Phase::promoted;
      break;
    case Phase::withdraw:
      phase_ = Phase::aborted;
      break;
    case Phase::promoted:
    case Phase::aborted:
      break;
  }
}

void Rollout::effect_failed(const std::string& reason) {
  if (phase_ == Phase::withdraw) {
    failure_ += "; going back failed too: " + reason;
    phase_ = Phase::aborted;
    return;
  }
  failure_ = reason;
  phase_ = has_previous_ ? Phase::withdraw : Phase::aborted;
}

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::bring_up:
      return "bring up";
    case Phase::shift:
      return "shift";
    case Phase::settle:
      return "settle";
    case Phase::promoted:
      return "serving";
    case Phase::withdraw:
      return "withdraw";
    case Phase::aborted:
      return "aborted";
  }
  return "";
}

Rollout roll_out(Target& target, const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
                 const std::function<void(Phase)>& record) {
  Rollout rollout(previous.has_value());
  while (!rollout.ended()) {
    record(rollout.phase());
    try {
      switch (rollout.phase()) {
        case Phase::bring_up:
          target.bring_up(candidate);
          break;
        case Phase::shift:
          target.shift(candidate);
          break;
        case Phase::settle:
          target.settle(candidate);
          break;
        case Phase::withdraw:
          target.withdraw(*previous);
          break;
        case Phase::promoted:
        case Phase::aborted:
          break;
      }
      rollout.effect_succeeded();
    } catch (const Error& error) {
      rollout.effect_failed(error.what());
    }
  }
  record(rollout.phase());
  return rollout;
}

}  // namespace mlpipe
