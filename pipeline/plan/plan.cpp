#include "pipeline/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

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

std::vector<Output> PlannedStep::outputs(std::string_view out) const {
  std::vector<Output> found;
  for (const Result& one : chosen) {
    if (const Output* output = one.find_output(out)) {
      found.push_back(*output);
    }
  }
  return found;
}

std::map<std::string, double> PlannedStep::metrics() const {
  std::map<std::string, std::vector<double>> values;
  for (const Result& one : chosen) {
    for (const auto& [name, value] : one.metrics) {
      values[name].push_back(value);
    }
  }
  std::map<std::string, double> means;
  for (const auto& [name, each] : values) {
    means[name] = std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(each.size());
  }
  return means;
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
    steps_[index].derivation =
        recipe_of(step, snapshot_, [this](const Input& input) {
          const PlannedStep& before = steps_[index_.at(input.step)];
          return fmt::format("derivation:{} {}", before.derivation.hex(), before.step->select.text());
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
    if (!has_result(before.state) || before.outputs(input.out).empty()) {
      return std::nullopt;
    }
  }
  return recipe_of(step, snapshot_, [&](const Input& input) {
    const PlannedStep& before = steps_[index_.at(input.step)];
    return name_of(before.outputs(input.out), before.step->select.takes_many());
  });
}

std::vector<Result> Plan::results_of(const Digest& action_key) const {
  std::vector<Result> results = snapshot_.results->results(action_key);
  const auto fresh = fresh_.find(action_key);
  if (fresh == fresh_.end()) {
    return results;
  }
  // What this run yielded may be in the source already.
  std::set<Digest> known;
  for (const Result& result : results) {
    known.insert(result_id(result));
  }
  std::copy_if(fresh->second.results.begin(), fresh->second.results.end(), std::back_inserter(results),
               [&](const Result& result) { return known.insert(result_id(result)).second; });
  return results;
}

void Plan::stand(std::size_t index, std::vector<Result> chosen) {
  steps_[index].chosen = std::move(chosen);
  if (const auto fresh = fresh_.find(steps_[index].action_key); fresh != fresh_.end()) {
    fresh->second.used_by.push_back(index);
  }
}

bool Plan::is_stopped(std::size_t index) const {
  const State state = steps_[index].state;
  return state == State::failed || state == State::blocked;
}

std::vector<std::string> Plan::reasons_of(const PlannedStep& planned, const std::vector<Result>& results,
                                          const Choice& choice) const {
  if (choice.lacking > 0 && choice.succeeded > 0) {
    return {fmt::format("{} of {} results", choice.succeeded, choice.succeeded + choice.lacking)};
  }
  if (options_.force.contains(planned.step->name)) {
    return {"forced"};
  }
  if (!results.empty()) {
    return {fmt::format("{} the last time", results.back().failure)};
  }
  if (snapshot_.results->has_lost(planned.action_key)) {
    return {"the bytes of its result are gone from the store"};
  }
  return reasons_to_run(*planned.step, *planned.action,
                        snapshot_.results->last_realization(spec_.name, planned.step->name));
}

void Plan::decide(std::size_t index) {
  PlannedStep& planned = steps_[index];
  planned.reasons.clear();
  planned.action = action_of(index);
  const auto stopped = std::find_if(upstream_[index].begin(), upstream_[index].end(),
                                    [this](std::size_t before) { return is_stopped(before); });
  const bool asked_for = options_.force.contains(planned.step->name);
  std::vector<Result> results;
  Choice choice;
  if (planned.action) {
    planned.action_key = planned.action->digest();
    results = results_of(planned.action_key);
    choice = choose(planned.step->select, results);
  }
  if (planned.action && choice.is_made() && !asked_for) {
    planned.state = State::cached;
    stand(index, std::move(choice.results));
  } else if (stopped != upstream_[index].end()) {
    planned.state = State::blocked;
    planned.reasons = {fmt::format("{} did not succeed", steps_[*stopped].step->name)};
  } else if (!planned.action) {
    planned.state = State::undecided;
    for (const std::size_t before : upstream_[index]) {
      if (!has_result(steps_[before].state)) {
        planned.reasons.push_back("after " + steps_[before].step->name);
      }
    }
  } else if (!choice.problem.empty() && !asked_for) {
    planned.state = State::blocked;
    planned.reasons = {std::move(choice.problem)};
  } else {
    planned.state = State::run;
    planned.forced = asked_for || choice.succeeded > 0;
    planned.reasons = reasons_of(planned, results, choice);
    if (upstream_done(index)) {
      ready_.insert(index);
    }
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
  planned.result = std::move(result);
  if (!planned.result->succeeded) {
    planned.state = State::failed;
    block_after(index);
    return {};
  }
  fresh_[planned.action_key].results.push_back(*planned.result);
  const std::vector<Result> results = results_of(planned.action_key);
  Choice choice = choose(planned.step->select, results);
  if (choice.lacking > 0) {
    planned.forced = true;
    planned.reasons = reasons_of(planned, results, choice);
    put_back(index);
    return {};
  }
  if (!choice.problem.empty()) {
    planned.state = State::blocked;
    planned.reasons = {std::move(choice.problem)};
    block_after(index);
    return {};
  }
  planned.state = State::succeeded;
  stand(index, std::move(choice.results));
  planned.kept = why_kept(planned.step->select, planned.chosen, *planned.result);
  std::vector<std::size_t> settled = {index};
  for (std::size_t i = 0; i < settled.size(); ++i) {
    const std::size_t before = settled[i];
    for (const std::size_t after : downstream_[before]) {
      PlannedStep& next = steps_[after];
      if (next.state == State::undecided) {
        decide(after);
        if (next.state == State::cached) {
          settled.push_back(after);
        } else if (next.state == State::blocked) {
          block_after(after);
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
  PlannedStep& planned = steps_[index];
  planned.result->id = id;
  const Digest name = result_id(*planned.result);
  const auto set_id = [&](std::vector<Result>& copies) {
    for (Result& copy : copies) {
      if (copy.id == 0 && result_id(copy) == name) {
        copy.id = id;
      }
    }
  };
  Fresh& fresh = fresh_[planned.action_key];
  set_id(fresh.results);
  for (const std::size_t user : fresh.used_by) {
    set_id(steps_[user].chosen);
  }
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
