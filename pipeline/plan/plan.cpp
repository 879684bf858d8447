#include "pipeline/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.hpp"
#include "pipeline/plan/explain.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;

bool has_result(State state) {
  return state == State::cached || state == State::succeeded;
}

std::set<std::string> needed_for(const Spec& spec, const std::string& last) {
  std::set<std::string> needed = {last};
  for (auto step = spec.steps.rbegin(); step != spec.steps.rend(); ++step) {
    if (needed.contains(step->name)) {
      for (const std::string& name : spec.upstream(*step)) {
        needed.insert(name);
      }
    }
  }
  return needed;
}

void check_names(const Spec& spec, const PlanOptions& options) {
  std::vector<std::string> asked(options.force.begin(), options.force.end());
  if (options.until) {
    asked.push_back(*options.until);
  }
  for (const std::string& name : asked) {
    if (spec.find_step(name) == nullptr) {
      throw UsageError(fmt::format("there is no step '{}'", printable(name)),
                       suggest_name(name, spec.step_names()));
    }
  }
}

}  // namespace

const Output* Result::find_output(std::string_view name) const {
  const auto found =
      std::find_if(outputs.begin(), outputs.end(), [&](const Output& output) { return output.name == name; });
  return found == outputs.end() ? nullptr : &*found;
}

Plan::Plan(const Spec& spec, const Snapshot& snapshot, const PlanOptions& options, KnownSteps known)
    : spec_(spec), snapshot_(snapshot), options_(options), known_(std::move(known)) {
  check_names(spec, options);
  std::set<std::string> needed;
  if (options.until) {
    needed = needed_for(spec, *options.until);
  }
  for (const Step& step : spec.steps) {
    if (options.until && !needed.contains(step.name)) {
      continue;
    }
    const std::size_t index = steps_.size();
    index_[step.name] = index;
    upstream_.emplace_back();
    downstream_.emplace_back();
    if (const auto found = known_.steps.find(step.name); found != known_.steps.end()) {
      steps_.push_back(found->second);
      steps_.back().step = &step;
      continue;
    }
    steps_.emplace_back().step = &step;
    for (const std::string& name : spec.upstream(step)) {
      upstream_[index].push_back(index_.at(name));
      downstream_[index_.at(name)].push_back(index);
    }
    steps_[index].derivation = recipe_of(step, snapshot_, [this](const Input& input) {
                                 return "derivation:" + steps_[index_.at(input.step)].derivation.hex();
                               }).digest();
    decide(index);
  }
}

const PlannedStep* Plan::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &steps_[found->second];
}

bool Plan::anything_to_run() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const PlannedStep& step) {
    return step.state != State::cached && step.state != State::succeeded;
  });
}

std::size_t Plan::count(State state) const {
  return static_cast<std::size_t>(std::count_if(
      steps_.begin(), steps_.end(), [&](const PlannedStep& step) { return step.state == state; }));
}

bool Plan::upstream_done(std::size_t index) const {
  return std::all_of(upstream_[index].begin(), upstream_[index].end(),
                     [&](std::size_t before) { return has_result(steps_[before].state); });
}

// The action, once the bytes of every input are known.
std::optional<Recipe> Plan::action_of(std::size_t index) const {
  const Step& step = *steps_[index].step;
  for (const Input& input : step.inputs) {
    const PlannedStep& before = steps_[index_.at(input.step)];
    if (!has_result(before.state) || before.result->find_output(input.out) == nullptr) {
      return std::nullopt;
    }
  }
  return recipe_of(step, snapshot_, [&](const Input& input) {
    return name_of(*steps_[index_.at(input.step)].result->find_output(input.out));
  });
}

void Plan::decide(std::size_t index) {
  PlannedStep& planned = steps_[index];
  planned.reasons.clear();
  planned.action = action_of(index);
  if (!planned.action) {
    planned.state = State::undecided;
    for (const std::size_t before : upstream_[index]) {
      if (!has_result(steps_[before].state)) {
        planned.reasons.push_back("after " + steps_[before].step->name);
      }
    }
    return;
  }
  planned.action_key = planned.action->digest();
  const std::vector<Result> results = snapshot_.results->results(planned.action_key);
  const auto latest =
      std::find_if(results.rbegin(), results.rend(), [](const Result& one) { return one.succeeded; });
  planned.forced = options_.force.contains(planned.step->name);
  if (latest != results.rend() && !planned.forced) {
    planned.state = State::cached;
    planned.result = *latest;
    return;
  }
  planned.state = State::run;
  planned.reasons = planned.forced
                        ? std::vector<std::string>{"forced"}
                        : reasons_to_run(*planned.step, *planned.action,
                                         snapshot_.results->last_realization(spec_.name, planned.step->name),
                                         results.empty() ? "" : results.back().failure);
  if (upstream_done(index)) {
    ready_.insert(index);
  }
}

std::optional<std::size_t> Plan::take_ready() {
  if (ready_.empty()) {
    return std::nullopt;
  }
  const std::size_t index = *ready_.begin();
  ready_.erase(ready_.begin());
  steps_[index].state = State::running;
  return index;
}

void Plan::put_back(std::size_t index) {
  steps_[index].state = State::run;
  ready_.insert(index);
}

std::vector<std::size_t> Plan::finish(std::size_t index, Result result) {
  PlannedStep& planned = steps_[index];
  const bool succeeded = result.succeeded;
  planned.state = succeeded ? State::succeeded : State::failed;
  planned.result = std::move(result);
  if (!succeeded) {
    block_after(index);
    return {};
  }
  std::vector<std::size_t> settled = {index};
  for (std::size_t i = 0; i < settled.size(); ++i) {
    const std::size_t before = settled[i];
    for (const std::size_t after : downstream_[before]) {
      PlannedStep& next = steps_[after];
      if (next.state == State::undecided) {
        decide(after);
        if (next.state == State::cached) {
          settled.push_back(after);
        }
      } else if (next.state == State::run && upstream_done(after)) {
        ready_.insert(after);
      }
    }
  }
  settled.erase(settled.begin());
  return settled;
}

void Plan::record(std::size_t index, std::int64_t id) {
  steps_[index].result->id = id;
}

void Plan::block_after(std::size_t index) {
  std::vector<std::size_t> blocked = {index};
  while (!blocked.empty()) {
    const std::size_t before = blocked.back();
    blocked.pop_back();
    for (const std::size_t after : downstream_[before]) {
      PlannedStep& next = steps_[after];
      if (next.state == State::run || next.state == State::undecided) {
        next.state = State::blocked;
        next.reasons = {fmt::format("{} did not succeed", steps_[before].step->name)};
        ready_.erase(after);
        blocked.push_back(after);
      }
    }
  }
}

const char* name_of(State state) {
  switch (state) {
    case State::cached:
      return "cached";
    case State::run:
      return "run";
    case State::undecided:
      return "undecided";
    case State::running:
      return "running";
    case State::succeeded:
      return "succeeded";
    case State::failed:
      return "failed";
    case State::blocked:
      return "blocked";
  }
  return "";
}

}  // namespace mlpipe
