#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/base/time.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_run.hpp"
#include "pipeline/cli/find_store.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t shown_by_default = 20;
constexpr std::int64_t most_shown = 1'000'000;

std::chrono::milliseconds length_of(const RunRecord& run) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(run.finished.value_or(run.started) -
                                                               run.started);
}

std::string took(const RunRecord& run) {
  return run.finished ? format_duration(length_of(run)) : "";
}

std::string params_text(const std::map<std::string, ValueChange>& changes) {
  std::vector<std::string> parts;
  for (const auto& [name, change] : changes) {
    parts.push_back(
        fmt::format("{}: {} → {}", name, change.before.value_or("none"), change.after.value_or("none")));
  }
  return printable(join(parts, ", "));
}

Json params_json(const std::map<std::string, ValueChange>& changes) {
  Json json = Json::object();
  for (const auto& [name, change] : changes) {
    json[name] = to_json(change);
  }
  return json;
}

// "ran train, check; failed report; 4 cached"
std::string steps_text(const History& history, const RunRecord& run) {
  constexpr std::size_t few = 4;
  std::vector<std::string> parts;
  for (const auto& [outcome, count] : history.outcomes(run.number)) {
    if (outcome == "cached" || outcome == "undecided") {
      parts.push_back(fmt::format("{} {}", count, outcome));
      continue;
    }
    std::vector<std::string> names = history.names(run.number, outcome, few);
    if (count > names.size()) {
      names.push_back(fmt::format("{} more", count - names.size()));
    }
    parts.push_back(fmt::format("{} {}", outcome == "succeeded" ? "ran" : outcome, join(names, ", ")));
  }
  return join(parts, "; ");
}

std::map<std::string, ValueChange> changes_since_before(const History& history, const RunRecord& run) {
  const auto earlier = history.before(run);
  return earlier ? changed_values(earlier->params, run.params) : std::map<std::string, ValueChange>{};
}

Json run_summary(const History& history, const RunRecord& run) {
  Json json{{"run", run.number},      {"pipeline", run.pipeline},
            {"outcome", run.outcome}, {"started", format_time(run.started)},
            {"params", run.params},   {"changed_params", params_json(changes_since_before(history, run))}};
  if (run.finished) {
    json["seconds"] = std::chrono::duration<double>(*run.finished - run.started).count();
  }
  if (!run.git.empty()) {
    json["git"] = run.git;
  }
  if (!run.release.empty()) {
    json["release"] = run.release;
  }
  return json;
}

Json step_json(const History& history, const RunRecord& run, const RunStepRecord& step) {
  Json json{{"step", step.step}, {"outcome", step.outcome}, {"reasons", step.reasons}};
  if (!step.action_key.is_zero()) {
    json["action_key"] = step.action_key.hex();
    json["params"] = history.params_of(run.pipeline, step.step, step.action_key);
  }
  json["results"] = Json::array();
  for (const std::int64_t row : step.chosen) {
    if (const auto result = history.result(row)) {
      json["results"].push_back(result_json(*result));
    }
  }
  if (const auto ran = step.ran != 0 ? history.result(step.ran) : std::nullopt) {
    json["ran"] = result_json(*ran);
  }
  return json;
}

// What is shown of a step: what it yielded in the run, else what stood for it.
std::optional<Result> shown_result(const History& history, const RunStepRecord& step) {
  const std::int64_t row = step.ran != 0 ? step.ran : step.chosen.empty() ? 0 : step.chosen.back();
  return row != 0 ? history.result(row) : std::nullopt;
}

void print_step(const History& history, const RunRecord& run, const RunStepRecord& step, std::size_t width) {
  const auto result = shown_result(history, step);
  std::string line = fmt::format("  {:<{}}  {:<9}", step.step, width, step.outcome);
  if (result) {
    line += fmt::format("  {:>8}  result {}  key {}",
                        format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(
                            result->finished - result->started)),
                        result_id(*result).short_hex(), step.action_key.short_hex());
  } else if (step.ran != 0 || !step.chosen.empty()) {
    line += "  its result was collected";
  }
  fmt::print("{}\n", line);
  const std::string indent(width + 4, ' ');
  if (!step.reasons.empty()) {
    fmt::print("{}{}\n", indent, printable(join(step.reasons, ", ")));
  }
  if (result && !result->failure.empty()) {
    fmt::print("{}{}\n", indent, printable(result->failure));
  }
  if (result && !result->metrics.empty()) {
    fmt::print("{}{}\n", indent, shown_metrics(result->metrics));
  }
  if (step.ran != 0) {
    for (const auto& [name, value] : history.params_of(run.pipeline, step.step, step.action_key)) {
      fmt::print("{}param {} = {}\n", indent, name, printable(value));
    }
  }
}

}  // namespace

int runs_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const History history(store);
  const auto last = invocation.value("--last");
  const auto count = last ? parse_integer(*last) : shown_by_default;
  if (!count || *count < 1 || *count > most_shown) {
    throw UsageError(fmt::format("--last {}: expected a whole number from 1", printable(*last)));
  }
  const std::vector<RunRecord> runs = history.runs(static_cast<std::size_t>(*count));
  if (invocation.json()) {
    Json list = Json::array();
    for (const RunRecord& run : runs) {
      Json json = run_summary(history, run);
      json["steps"] = history.outcomes(run.number);
      list.push_back(std::move(json));
    }
    fmt::print("{}\n", list.dump(2));
    return 0;
  }
  if (runs.empty()) {
    fmt::print("no run has done anything yet\n");
  }
  for (const RunRecord& run : runs) {
    fmt::print("{:>4}  {}  {:>8}  {:<11}  {}{}\n", run.number, format_local_time(run.started), took(run),
               run.outcome, steps_text(history, run), run.release.empty() ? "" : "  " + run.release);
    if (const auto changes = changes_since_before(history, run); !changes.empty()) {
      fmt::print("      {}\n", params_text(changes));
    }
  }
  return 0;
}

int show_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const History history(store);
  const RunRecord run = find_run(history, *invocation.value("RUN"));
  const std::vector<RunStepRecord> steps = history.steps(run.number);
  if (invocation.json()) {
    Json json = run_summary(history, run);
    json["steps"] = Json::array();
    for (const RunStepRecord& step : steps) {
      json["steps"].push_back(step_json(history, run, step));
    }
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  fmt::print("run {} of {}  {}\n  started  {}{}\n", run.number, run.pipeline,
             run.finished ? run.outcome : "unfinished: it runs now, or was killed",
             format_local_time(run.started), run.finished ? fmt::format(", took {}", took(run)) : "");
  if (!run.git.empty()) {
    fmt::print("  git      {}\n", run.git);
  }
  if (!run.release.empty()) {
    fmt::print("  release  {}\n", run.release);
  }
  const auto changes = changes_since_before(history, run);
  for (const auto& [name, value] : run.params) {
    const auto change = changes.find(name);
    fmt::print("  param    {} = {}{}\n", name, printable(value),
               change == changes.end()
                   ? ""
                   : fmt::format("  (before: {})", printable(change->second.before.value_or("none"))));
  }
  std::size_t width = 0;
  for (const RunStepRecord& step : steps) {
    width = std::max(width, step.step.size());
  }
  for (const RunStepRecord& step : steps) {
    print_step(history, run, step, width);
  }
  return 0;
}

}  // namespace mlpipe
