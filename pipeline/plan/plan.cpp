#include "pipeline/plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "pipeline/base/text.hpp"
#include "pipeline/plan/explain.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;

bool has_result(State state) {
  return state == State::cached || state == State::succeeded;
}

bool has_ended(State state) {
  return has_result(state) || state == State::failed || state == State::skipped || state == State::blocked;
}

constexpr const char* interrupted = "interrupted";

bool may_start(State state) {
  return state == State::run || state == State::undecided;
}

std::set<std::string> needed_for(const Spec& spec, const std::vector<std::string>& last) {
  std::set<std::string> needed(last.begin(), last.end());
  for (auto step = spec.steps.rbegin(); step != spec.steps.rend(); ++step) {
    if (needed.contains(step->name)) {
      const std::vector<std::string> upstream = spec.upstream(*step);
      needed.insert(upstream.begin(), upstream.end());
      needed.insert(step->after.begin(), step->after.end());
    }
  }
  return needed;
}

// The steps that a name in the options stands for. Throws UsageError when there is none.
std::vector<std::string> named_steps(const Spec& spec, const std::string& name) {
  std::vector<std::string> steps = spec.steps_named(name);
  if (steps.empty()) {
    std::vector<std::string> known = spec.step_names();
    for (const auto& [group, rules] : spec.groups) {
      known.push_back(group);
    }
    throw UsageError(fmt::format("there is no step '{}'", printable(name)), suggest_name(name, known));
  }
  return steps;
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
    : spec_(spec), snapshot_(snapshot), options_(options), known_(std::move(known)), ready_(spec.groups) {
  options_.force.clear();
  for (const std::string& name : options.force) {
    const std::vector<std::string> steps = named_steps(spec, name);
    options_.force.insert(steps.begin(), steps.end());
  }
  std::set<std::string> needed;
  if (options.until) {
    needed = needed_for(spec, named_steps(spec, *options.until));
  }
  for (const Step& step : spec.steps) {
    if (options.until && !needed.contains(step.name)) {
      continue;
    }
    const std::size_t index = steps_.size();
    index_[step.name] = index;
    before_.emplace_back();
    after_.emplace_back();
    pending_.push_back(0);
    if (const auto found = known_.steps.find(step.name); found != known_.steps.end()) {
      steps_.push_back(found->second);
      steps_.back().step = &step;
      continue;
    }
    steps_.emplace_back().step = &step;
    connect(index);
    steps_[index].derivation =
        recipe_of(step, snapshot_, [this](const Input& input) {
          const PlannedStep& before = steps_[index_.at(input.step)];
          return fmt::format("derivation:{} {}", before.derivation.hex(), before.step->select.text());
        }).digest();
    decide(index);
  }
  passed_over_.clear();  // the plan as it is shown says so
  measure_ways({});
  for (std::size_t index = 0; index < steps_.size(); ++index) {
    if (steps_[index].state == State::run && pending_[index] == 0) {
      become_ready(index);
    }
  }
}

void Plan::connect(std::size_t index) {
  const Step& step = *steps_[index].step;
  const auto link = [&](const std::string& name, bool needs) {
    const std::size_t other = index_.at(name);
    before_[index].push_back({other, needs});
    after_[other].push_back({index, needs});
    pending_[index] += has_ended(steps_[other].state) ? 0 : 1;
  };
  const std::vector<std::string> upstream = spec_.upstream(step);
  for (const std::string& name : upstream) {
    link(name, true);
  }
  for (const std::string& name : step.after) {
    if (!std::binary_search(upstream.begin(), upstream.end(), name)) {
      link(name, false);
    }
  }
}

const PlannedStep* Plan::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &steps_[found->second];
}

bool Plan::anything_to_run() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const PlannedStep& step) {
    return !has_result(step.state) && step.state != State::skipped;
  });
}

std::size_t Plan::count(State state) const {
  return static_cast<std::size_t>(std::count_if(
      steps_.begin(), steps_.end(), [&](const PlannedStep& step) { return step.state == state; }));
}

// The action, once the bytes of every input are known.
std::optional<Recipe> Plan::action_of(std::size_t index) const {
  const Step& step = steps_[index].as_it_runs();
  const auto is_known = [this](const Input& input) {
    const PlannedStep& before = steps_[index_.at(input.step)];
    return has_result(before.state) && !before.outputs(input.out).empty();
  };
  if (!std::all_of(step.inputs.begin(), step.inputs.end(), is_known) ||
      (step.image && !is_known(*step.image))) {
    return std::nullopt;
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
  if (std::string lost = snapshot_.results->why_lost(planned.action_key); !lost.empty()) {
    return {std::move(lost)};
  }
  return reasons_to_run(*planned.step, *planned.action,
                        snapshot_.results->last_realization(spec_.name, planned.step->name));
}

void Plan::decide(std::size_t index) {
  PlannedStep& planned = steps_[index];
  planned.reasons.clear();
  planned.state = State::undecided;
  if (!decide_condition(index) || !decide_order(index)) {
    return;
  }
  planned.action = action_of(index);
  if (!planned.action) {
    say_after_what(index);
    return;
  }
  planned.action_key = planned.action->digest();
  const std::vector<Result> results = results_of(planned.action_key);
  Choice choice = choose(planned.step->select, results);
  const std::string again = rerun_reason(index);
  const bool asked_for = options_.force.contains(planned.step->name) || !again.empty();
  if (choice.is_made() && !asked_for) {
    planned.state = State::cached;
    stand(index, std::move(choice.results));
  } else if (!choice.problem.empty() && !asked_for) {
    pass_over(index, State::blocked, std::move(choice.problem));
  } else {
    planned.state = State::run;
    planned.forced =
        asked_for || choice.succeeded > 0 || !snapshot_.results->why_lost(planned.action_key).empty();
    planned.anew = asked_for;
    planned.reasons = again.empty() ? reasons_of(planned, results, choice) : std::vector{again};
  }
}

// What is said of a step that waits for others.
void Plan::say_after_what(std::size_t index) {
  constexpr std::size_t most_named = 4;
  std::map<std::string, std::size_t> waiting_of_group;
  std::vector<const Step*> waiting;
  for (const Link& link : before_[index]) {
    if (!has_ended(steps_[link.index].state)) {
      waiting.push_back(steps_[link.index].step);
      ++waiting_of_group[waiting.back()->group];
    }
  }
  std::vector<std::string> names;  // of several combinations the matrix's
  for (const Step* step : waiting) {
    const bool several = !step->group.empty() && waiting_of_group[step->group] > 1;
    const std::string& name = several ? step->group : step->name;
    if (names.empty() || names.back() != name) {
      names.push_back(name);
    }
  }
  for (std::size_t i = 0; i < std::min(names.size(), most_named); ++i) {
    steps_[index].reasons.push_back("after " + names[i]);
  }
  if (names.size() > most_named) {
    steps_[index].reasons.push_back(fmt::format("after {} more", names.size() - most_named));
  }
}

// Whether the step may run, as far as its `if` and skipped steps go. When not, its state says what comes of
// it.
bool Plan::decide_condition(std::size_t index) {
  for (const Link& link : before_[index]) {
    if (link.needs && pass_over_after(link.index, index)) {
      return false;
    }
  }
  const std::optional<Condition>& condition = steps_[index].step->condition;
  if (!condition) {
    return true;
  }
  try {
    const Verdict verdict =
        mlpipe::decide(*condition, [this](const StepReference& asked) { return look_up(asked); });
    switch (verdict.kind) {
      case Verdict::Kind::holds:
        return true;
      case Verdict::Kind::fails:
        pass_over(index, State::skipped, verdict.reason);
        return false;
      case Verdict::Kind::undecided:
        say_after_what(index);
        return false;
    }
  } catch (const ExpressionError& error) {
    pass_over(index, State::blocked, fmt::format("if: {}: {}", condition->text, error.what()));
  }
  return false;
}

// Whether everything has ended whose end, and not success, the step waits for.
bool Plan::decide_order(std::size_t index) {
  if (steps_[index].step->after.empty()) {
    return true;
  }
  if (pending_[index] > 0) {
    say_after_what(index);
    return false;
  }
  put_outcomes_into(steps_[index]);
  return true;
}

// A finally step tells of a run, or tidies up after it: what it did once does not stand for the next run.
std::string Plan::rerun_reason(std::size_t index) const {
  if (!steps_[index].step->finally) {
    return "";
  }
  for (const Link& link : before_[index]) {
    const State state = steps_[link.index].state;
    if (state == State::succeeded || state == State::failed || state == State::blocked) {
      return fmt::format("finally: {} {}", steps_[link.index].step->name, name_of(state));
    }
  }
  return "";
}

void Plan::put_outcomes_into(PlannedStep& planned) {
  if (planned.step->outcomes.empty()) {
    return;
  }
  auto step = std::make_shared<Step>(*planned.step);
  const auto put = [&](std::string& text) {
    for (const std::string& name : step->outcomes) {
      const std::string placeholder = placeholder_of_outcome(name);
      const std::string outcome = outcome_of(name);
      for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos; at += outcome.size()) {
        text.replace(at, placeholder.size(), outcome);
      }
    }
  };
  if (auto* run = std::get_if<RunAction>(&step->action)) {
    std::for_each(run->arguments.begin(), run->arguments.end(), put);
  }
  for (auto& [name, value] : step->environment) {
    put(value);
  }
  planned.with_outcomes = std::move(step);
}

std::vector<std::size_t> Plan::indices_of(const std::string& name) const {
  const auto group = spec_.groups.find(name);
  std::vector<std::size_t> indices;
  for (const std::string& one : group == spec_.groups.end() ? std::vector{name} : group->second.members) {
    indices.push_back(index_.at(one));
  }
  return indices;
}

// How the step ended, of a matrix step the worst of its combinations; empty while one has not ended.
std::string Plan::outcome_of(const std::string& name) const {
  std::set<State> states;
  for (const std::size_t index : indices_of(name)) {
    const State state = steps_[index].state;
    if (!has_ended(state)) {
      return "";
    }
    states.insert(state == State::cached ? State::succeeded : state);
  }
  for (const State worst : {State::failed, State::blocked, State::succeeded}) {
    if (states.contains(worst)) {
      return name_of(worst);
    }
  }
  return name_of(State::skipped);
}

std::optional<Value> Plan::look_up(const StepReference& asked) const {
  const std::string outcome = outcome_of(asked.step);
  if (outcome.empty()) {
    return std::nullopt;
  }
  if (asked.metric.empty()) {
    return Value::of_text(outcome);
  }
  const PlannedStep& planned = steps_[index_.at(asked.step)];
  if (!has_result(planned.state)) {  // compared with anything, it does not hold
    Value unknown = Value::of_number(std::numeric_limits<double>::quiet_NaN());
    unknown.text = "not known";
    return unknown;
  }
  const std::map<std::string, double> metrics = planned.metrics();
  const auto metric = metrics.find(asked.metric);
  if (metric == metrics.end()) {
    std::vector<std::string> known;
    for (const auto& [name, value] : metrics) {
      known.push_back(name);
    }
    throw ExpressionError(0, fmt::format("step '{}' has no metric '{}'{}", asked.step, asked.metric,
                                         known.empty() ? "" : ", it has " + join(known, ", ")));
  }
  return Value::of_number(metric->second);
}

// How long it takes at least from the start of each step to the end of the last that comes after it.
void Plan::measure_ways(const Durations& durations) {
  double sum = 0;
  for (const auto& [name, seconds] : durations) {
    sum += seconds;
  }
  const double usual = durations.empty() ? 1 : sum / static_cast<double>(durations.size());
  way_to_the_end_.assign(steps_.size(), 0);
  for (std::size_t index = steps_.size(); index-- > 0;) {
    double longest = 0;
    for (const Link& link : after_[index]) {
      longest = std::max(longest, way_to_the_end_[link.index]);
    }
    const auto known = durations.find(steps_[index].step->name);
    const bool takes_time = !has_ended(steps_[index].state);
    way_to_the_end_[index] = longest + (!takes_time ? 0 : known != durations.end() ? known->second : usual);
  }
}

void Plan::set_durations(const Durations& durations) {
  measure_ways(durations);
  for (const std::size_t index : ready_.all()) {
    ready_.remove(index);
    become_ready(index);
  }
}

void Plan::become_ready(std::size_t index) {
  ready_.add(index, *steps_[index].step, way_to_the_end_[index]);
}

std::optional<std::size_t> Plan::take_ready(const Capacity& free) {
  const auto index = ready_.take(free);
  if (index) {
    steps_[*index].state = State::running;
  }
  return index;
}

void Plan::hold(std::size_t index) {
  ready_.ended(steps_[index].step->group);
  steps_[index].state = State::run;
  ++steps_[index].retries;
}

void Plan::put_back(std::size_t index) {
  PlannedStep& planned = steps_[index];
  if (planned.state == State::running) {
    ready_.ended(planned.step->group);
  }
  const auto failed = failed_groups_.find(planned.step->group);
  if (stopped_ && !planned.step->finally) {
    pass_over(index, State::blocked, interrupted);
  } else if (failed != failed_groups_.end()) {
    pass_over(index, State::blocked, failed->second);
  } else {
    planned.state = State::run;
    become_ready(index);
    return;
  }
  settle({index});
}

void Plan::pass_over(std::size_t index, State state, std::string reason) {
  steps_[index].state = state;
  steps_[index].reasons = {std::move(reason)};
  ready_.remove(index);
  passed_over_.push_back(index);
}

// Whether the step does not run because of how one that it needs ended.
bool Plan::pass_over_after(std::size_t before, std::size_t index) {
  const State state = steps_[before].state;
  const std::string& name = steps_[before].step->name;
  if (state == State::failed || state == State::blocked) {
    pass_over(index, State::blocked, fmt::format("{} did not succeed", name));
    return true;
  }
  if (state == State::skipped) {
    pass_over(index, State::skipped, fmt::format("{} was skipped", name));
    return true;
  }
  return false;
}

std::vector<std::size_t> Plan::finish(std::size_t index, Result result) {
  PlannedStep& planned = steps_[index];
  planned.result = std::move(result);
  if (!planned.result->succeeded) {
    ready_.ended(planned.step->group);
    planned.state = State::failed;
    std::vector<std::size_t> ended = {index};
    fail_fast(index, ended);
    return settle(std::move(ended));
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
  ready_.ended(planned.step->group);
  if (!choice.problem.empty()) {
    pass_over(index, State::blocked, std::move(choice.problem));
    return settle({index});
  }
  planned.state = State::succeeded;
  stand(index, std::move(choice.results));
  planned.kept = why_kept(planned.step->select, planned.chosen, *planned.result);
  return settle({index});
}

std::vector<std::size_t> Plan::finish_brought(std::size_t index, Result result) {
  std::vector<std::size_t> cached = finish(index, std::move(result));
  if (steps_[index].state == State::succeeded) {
    steps_[index].state = State::cached;
    steps_[index].reasons = {"its result came from the remote"};
  }
  return cached;
}

void Plan::add_reason(std::size_t index, std::string reason) {
  steps_[index].reasons.push_back(std::move(reason));
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

void Plan::fail_fast(std::size_t index, std::vector<std::size_t>& ended) {
  const std::string reason = fmt::format("{} failed, and its matrix fails fast", steps_[index].step->name);
  const auto group = spec_.groups.find(steps_[index].step->group);
  if (group == spec_.groups.end() || !group->second.fail_fast || options_.keep_going ||
      !failed_groups_.emplace(group->first, reason).second) {
    return;
  }
  for (const std::string& name : group->second.members) {
    const auto member = index_.find(name);
    if (member == index_.end()) {
      continue;
    }
    const State state = steps_[member->second].state;
    if (may_start(state)) {
      pass_over(member->second, State::blocked, reason);
      ended.push_back(member->second);
    } else if (state == State::running) {
      unwanted_.push_back(member->second);
    }
  }
}

// Tells what comes after these steps that they have ended, and what comes after those that this ends.
std::vector<std::size_t> Plan::settle(std::vector<std::size_t> ended) {
  std::vector<std::size_t> cached;
  for (std::size_t i = 0; i < ended.size(); ++i) {
    const std::size_t before = ended[i];
    if (steps_[before].state == State::cached) {
      cached.push_back(before);
    }
    for (const Link& link : after_[before]) {
      settle_after(before, link, ended);
    }
  }
  return cached;
}

void Plan::settle_after(std::size_t before, const Link& link, std::vector<std::size_t>& ended) {
  const std::size_t index = link.index;
  PlannedStep& next = steps_[index];
  --pending_[index];
  if (!may_start(next.state)) {
    return;
  }
  const bool passed_over = link.needs && pass_over_after(before, index);
  if (!passed_over && pending_[index] > 0) {
    return;
  }
  if (next.state == State::undecided) {
    decide(index);
  }
  if (has_ended(next.state)) {
    ended.push_back(index);
  } else if (next.state == State::run && pending_[index] == 0) {
    become_ready(index);
  }
}

void Plan::stop() {
  stopped_ = true;
  std::vector<std::size_t> ended;
  for (std::size_t index = 0; index < steps_.size(); ++index) {
    if (may_start(steps_[index].state) && !steps_[index].step->finally) {
      pass_over(index, State::blocked, interrupted);
      ended.push_back(index);
    }
  }
  settle(std::move(ended));
}

std::vector<std::size_t> Plan::take_unwanted() {
  return std::exchange(unwanted_, {});
}

std::vector<std::size_t> Plan::take_passed_over() {
  return std::exchange(passed_over_, {});
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
    case State::skipped:
      return "skipped";
    case State::blocked:
      return "blocked";
  }
  return "";
}

}  // namespace mlpipe
