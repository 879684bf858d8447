#include "pipeline/plan/effects.hpp"

#include <fmt/format.h>

namespace mlpipe {
namespace {

using State = PlannedStep::State;

using Publish = Effects::Publish;
using Rollout = Effects::Rollout;

void plan_publish(const Output& output, const Observed& observed, Effects& effects) {
  const auto released = observed.releases.find(output.digest);
  if (released != observed.releases.end()) {
    effects.version = released->second;
  }
  if (observed.alias && observed.alias->model == output.digest) {
    effects.publish = Publish::unchanged;
    return;
  }
  if (released == observed.releases.end()) {
    effects.publish = Publish::publish;
    effects.publish_reason = "a new model";
    return;
  }
  if (observed.alias) {
    for (const Digest& digest : observed.alias->set_aside) {
      if (digest == output.digest) {
        effects.publish = Publish::set_aside;
        effects.publish_reason = fmt::format("release {} was set aside by a rollback", effects.version);
        return;
      }
    }
  }
  effects.publish = Publish::move;
  effects.publish_reason = fmt::format("these bytes are release {}", effects.version);
}

void plan_rollout(const Observed& observed, const WantedServing& wanted, Effects& effects) {
  const ServingState& serving = observed.serving;
  const bool new_release = effects.publish == Publish::publish || effects.publish == Publish::move;
  if (!new_release && !observed.alias) {
    effects.rollout = Rollout::none;
  } else if (!wanted.after.empty()) {
    effects.rollout = Rollout::undecided;
    effects.rollout_reason = fmt::format("after {}", wanted.after);
  } else if (!serving.running) {
    effects.rollout = Rollout::start;
    effects.rollout_reason = "no server is running";
  } else if (serving.shape != wanted.shape) {
    effects.rollout = Rollout::restart;
    effects.rollout_reason = fmt::format("{} → {}", serving.shape, wanted.shape);
  } else if (serving.server != wanted.server) {
    effects.rollout = Rollout::update;
    effects.rollout_reason = fmt::format("{} is another build", wanted.what);
  } else if (new_release) {
    effects.rollout = Rollout::update;
    effects.rollout_reason = effects.publish_reason;
  } else if (serving.model != observed.alias->model) {
    effects.rollout = Rollout::update;
    effects.rollout_reason = fmt::format(
        "it serves {}, the alias stands for release {}",
        serving.version.empty() ? "another model" : "release " + serving.version, observed.alias->version);
  } else if (!serving.fault.empty()) {
    effects.rollout = Rollout::update;
    effects.rollout_reason = serving.fault;
  } else {
    effects.rollout = Rollout::unchanged;
  }
}

// The step behind `model.from`, or the combinations of the matrix; none where the plan leaves it out.
std::vector<const PlannedStep*> candidates(const Spec& spec, const Plan& plan) {
  std::vector<const PlannedStep*> found;
  for (const std::string& name :
       spec.model ? spec.steps_named(spec.model->from.step) : std::vector<std::string>{}) {
    if (const PlannedStep* planned = plan.find(name)) {
      found.push_back(planned);
    }
  }
  return found;
}

// By the metric that the combinations of one matrix are chosen by.
bool is_better(const PlannedStep& one, const PlannedStep& other) {
  const Selector& select = one.step->select;
  const double a = one.metrics().at(select.metric);
  const double b = other.metrics().at(select.metric);
  return select.lowest ? a < b : a > b;
}

}  // namespace

bool Effects::nothing_to_do() const {
  const bool publish_idle =
      publish == Publish::none || publish == Publish::unchanged || publish == Publish::set_aside;
  return publish_idle && (rollout == Rollout::none || rollout == Rollout::unchanged);
}

const PlannedStep* model_step(const Spec& spec, const Plan& plan) {
  const PlannedStep* best = nullptr;
  for (const PlannedStep* candidate : candidates(spec, plan)) {
    if (candidate->state == State::skipped) {
      continue;
    }
    if (candidate->state != State::cached && candidate->state != State::succeeded) {
      return nullptr;
    }
    if (best == nullptr || is_better(*candidate, *best)) {
      best = candidate;
    }
  }
  return best;
}

const Output* model_output(const Spec& spec, const Plan& plan) {
  const PlannedStep* step = model_step(spec, plan);
  return step != nullptr ? step->chosen.front().find_output(spec.model->from.out) : nullptr;
}

Effects plan_effects(const Spec& spec, const Plan& plan, const Observed& observed,
                     const WantedServing& wanted) {
  Effects effects;
  const std::vector<const PlannedStep*> behind = candidates(spec, plan);
  if (behind.empty()) {
    return effects;
  }
  if (plan.until()) {
    effects.publish_reason = fmt::format("the run ends with {}", *plan.until());
    return effects;
  }
  const auto failed = std::find_if(behind.begin(), behind.end(), [](const PlannedStep* step) {
    return step->state == State::failed || step->state == State::blocked;
  });
  if (const Output* output = model_output(spec, plan)) {
    effects.model_step = model_step(spec, plan)->step->name;
    // A model is released when every step has succeeded: a failing check must be able to hold it back.
    if (plan.count(State::failed) + plan.count(State::blocked) > 0) {
      effects.publish_reason = "a step failed";
      return effects;
    }
    plan_publish(*output, observed, effects);
  } else if (std::all_of(behind.begin(), behind.end(),
                         [](const PlannedStep* step) { return step->state == State::skipped; })) {
    effects.publish_reason = fmt::format("{} was skipped", spec.model->from.step);
  } else if (failed != behind.end()) {
    effects.publish_reason = fmt::format("{} did not succeed", (*failed)->step->name);
    return effects;
  } else {
    effects.publish = Publish::undecided;
    effects.publish_reason = fmt::format("after {}", spec.model->from.step);
    if (spec.deploy) {
      effects.rollout = Rollout::undecided;
      effects.rollout_reason = effects.publish_reason;
    }
    return effects;
  }
  if (spec.deploy) {
    plan_rollout(observed, wanted, effects);
  }
  return effects;
}

}  // namespace mlpipe
