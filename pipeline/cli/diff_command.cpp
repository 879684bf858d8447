#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_run.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/plan/explain.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;
using Changes = std::map<std::string, ValueChange>;

// How a step of one run differs from that of another.
struct StepDifference {
  std::string step;
  ValueChange outcome;              // none on a side that has no such step
  std::vector<std::string> recipe;  // what differs in what it did
  Changes params;
  Changes metrics;
  Changes outputs;  // by name, as digests

  bool empty() const {
    return outcome.before.has_value() == outcome.after.has_value() && recipe.empty() && params.empty() &&
           metrics.empty() && outputs.empty();
  }
};

// What stood for a step after a run: the metrics and output digests.
struct Yield {
  std::map<std::string, double> metrics;
  std::map<std::string, std::string> outputs;
};

Yield yield_of(const History& history, const RunStepRecord& step) {
  Yield yield;
  for (std::size_t i = 0; i < step.chosen.size(); ++i) {
    const auto result = history.result(step.chosen[i]);
    const std::string prefix = step.chosen.size() > 1 ? fmt::format("{}/", i + 1) : "";
    if (!result) {
      continue;
    }
    for (const auto& [name, value] : result->metrics) {
      yield.metrics[prefix + name] = value;
    }
    for (const Output& output : result->outputs) {
      yield.outputs[prefix + output.name] = "sha256:" + output.digest.hex();
    }
  }
  return yield;
}

class RunDifference {
 public:
  RunDifference(const History& history, RunRecord before, RunRecord after)
      : history_(history), before_(std::move(before)), after_(std::move(after)) {
    params_ = changed_values(before_.params, after_.params);
    std::map<std::string, std::pair<const RunStepRecord*, const RunStepRecord*>> pairs;
    const std::vector<RunStepRecord> old_steps = history.steps(before_.number);
    const std::vector<RunStepRecord> new_steps = history.steps(after_.number);
    for (const RunStepRecord& step : old_steps) {
      pairs[step.step].first = &step;
    }
    for (const RunStepRecord& step : new_steps) {
      pairs[step.step].second = &step;
    }
    for (const auto& [name, pair] : pairs) {
      StepDifference difference = compare(name, pair.first, pair.second);
      if (!difference.empty()) {
        steps_.push_back(std::move(difference));
      }
    }
  }

  void print_text() const {
    fmt::print("run {} → run {}\n", before_.number, after_.number);
    print_change("git", before_.git, after_.git);
    print_change("release", before_.release, after_.release);
    print_changes("  params.", params_);
    for (const StepDifference& step : steps_) {
      fmt::print("  {}{}\n", step.step,
                 !step.outcome.before  ? fmt::format("  only in run {}", after_.number)
                 : !step.outcome.after ? fmt::format("  only in run {}", before_.number)
                                       : "");
      for (const std::string& difference : step.recipe) {
        fmt::print("    {}\n", difference);
      }
      print_changes("    param ", step.params);
      print_changes("    metric ", step.metrics);
      print_changes("    output ", step.outputs);
    }
    if (params_.empty() && steps_.empty()) {
      fmt::print("  nothing differs that counts\n");
    }
  }

  void print_json() const {
    Json steps = Json::array();
    for (const StepDifference& step : steps_) {
      steps.push_back({{"step", step.step},
                       {"outcome", to_json(step.outcome)},
                       {"recipe", step.recipe},
                       {"params", changes_json(step.params)},
                       {"metrics", changes_json(step.metrics)},
                       {"outputs", changes_json(step.outputs)}});
    }
    fmt::print("{}\n", Json{{"from", before_.number},
                            {"to", after_.number},
                            {"git", to_json(ValueChange{before_.git, after_.git})},
                            {"release", to_json(ValueChange{before_.release, after_.release})},
                            {"params", changes_json(params_)},
                            {"steps", std::move(steps)}}
                           .dump(2));
  }

 private:
  StepDifference compare(const std::string& name, const RunStepRecord* before,
                         const RunStepRecord* after) const {
    StepDifference difference;
    difference.step = name;
    if (before != nullptr) {
      difference.outcome.before = before->outcome;
    }
    if (after != nullptr) {
      difference.outcome.after = after->outcome;
    }
    if (before == nullptr || after == nullptr) {
      return difference;
    }
    if (before->action_key != after->action_key) {
      const auto old_recipe = history_.recipe(before->action_key);
      const auto new_recipe = history_.recipe(after->action_key);
      if (old_recipe && new_recipe) {
        difference.recipe = differences(*old_recipe, *new_recipe);
      }
    }
    const Yield old_yield = yield_of(history_, *before);
    const Yield new_yield = yield_of(history_, *after);
    difference.params = changed_values(history_.params_of(before_.pipeline, name, before->action_key),
                                       history_.params_of(after_.pipeline, name, after->action_key));
    difference.metrics = changed_values(old_yield.metrics, new_yield.metrics);
    difference.outputs = changed_values(old_yield.outputs, new_yield.outputs);
    return difference;
  }

  static void print_change(const char* what, const std::string& before, const std::string& after) {
    if (before != after) {
      fmt::print("  {}: {} → {}\n", what, before.empty() ? "none" : before, after.empty() ? "none" : after);
    }
  }

  static void print_changes(const char* prefix, const Changes& changes) {
    for (const auto& [name, change] : changes) {
      fmt::print("{}{}: {} → {}\n", prefix, printable(name), printable(change.before.value_or("none")),
                 printable(change.after.value_or("none")));
    }
  }

  static Json changes_json(const Changes& changes) {
    Json json = Json::object();
    for (const auto& [name, change] : changes) {
      json[name] = to_json(change);
    }
    return json;
  }

  const History& history_;
  RunRecord before_;
  RunRecord after_;
  Changes params_;
  std::vector<StepDifference> steps_;
};

}  // namespace

int diff_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const History history(store);
  const RunDifference difference(history, find_run(history, *invocation.value("RUN")),
                                 find_run(history, *invocation.value("RUN2")));
  if (invocation.json()) {
    difference.print_json();
  } else {
    difference.print_text();
  }
  return 0;
}

}  // namespace mlpipe
