#include "pipeline/cli/reporter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/model.hpp"
#include "pipeline/registry/gate.hpp"

namespace mlpipe {
namespace {

using State = PlannedStep::State;

std::size_t widest_name(const Plan& plan) {
  std::size_t width = std::string("publish").size();
  for (const PlannedStep& planned : plan.steps()) {
    width = std::max(width, planned.step->name.size());
  }
  return width;
}

std::string duration_of(const Result& result) {
  return format_duration(
      std::chrono::duration_cast<std::chrono::milliseconds>(result.finished - result.started));
}

std::string publish_text(const Effects& effects, const Spec& spec) {
  using Publish = Effects::Publish;
  const std::string& model = spec.model->name;
  switch (effects.publish) {
    case Publish::unchanged:
      return fmt::format("unchanged  {}:{}", model, effects.version);
    case Publish::publish:
      return fmt::format("a new release of {}{}", model,
                         spec.model->gate ? ", if the gate lets it pass" : "");
    case Publish::move:
      return fmt::format("back to {}:{}, {}", model, effects.version, effects.publish_reason);
    case Publish::set_aside:
      return fmt::format("held       {}; `mlpipe models promote {}:{}` serves it again",
                         effects.publish_reason, model, effects.version);
    case Publish::undecided:
      return effects.publish_reason;
    case Publish::none:
      return effects.publish_reason.empty() ? "nothing" : "nothing, " + effects.publish_reason;
  }
  return "";
}

std::string rollout_text(const Effects& effects) {
  using Rollout = Effects::Rollout;
  switch (effects.rollout) {
    case Rollout::none:
      return "nothing";
    case Rollout::unchanged:
      return "unchanged";
    case Rollout::undecided:
      return effects.rollout_reason;
    case Rollout::start:
      return "start      " + effects.rollout_reason;
    case Rollout::update:
      return "update     " + effects.rollout_reason;
    case Rollout::restart:
      return "restart    " + effects.rollout_reason;
  }
  return "";
}

// A request to try: the first held-out example of the training, or zeros.
std::string example_data(const Release& release, const RunReport& report, const Blobs& blobs) {
  for (const PlannedStep& planned : report.steps) {
    const std::vector<Output> reports = planned.outputs("report");
    if (reports.empty() || planned.step->name != report.effects.model_step) {
      continue;
    }
    const auto lines = read_file_if_exists(blobs.path_of(reports.front()) / "held-out.jsonl");
    const auto json =
        nlohmann::json::parse(lines.value_or("").substr(0, lines.value_or("").find('\n')), nullptr, false);
    if (json.is_object() && json.contains("data")) {
      constexpr std::size_t longest_example = 1500;
      std::string data = json["data"].dump();
      if (data.size() <= longest_example) {
        return data;
      }
    }
  }
  try {
    const Model model = read_model(blobs.path_of(release.artifact));
    constexpr std::size_t most_zeros = 100;
    if (model.values() <= most_zeros) {
      return nlohmann::json(std::vector<int>(model.values(), 0)).dump();
    }
  } catch (const Error&) {  // a model of the author's own make: there is no example to give
  }
  return "";
}

}  // namespace

std::string progress_text(const Progress& progress) {
  std::string text;
  if (progress.total > 0) {
    text = fmt::format("{} {}/{}", progress.unit, number_text(progress.done), number_text(progress.total));
  } else if (progress.done > 0) {
    text = fmt::format("{} {}", number_text(progress.done), progress.unit);
  }
  if (progress.unit == "B") {
    text = format_bytes(static_cast<std::uint64_t>(progress.done));
    if (progress.total > 0) {
      text += " of " + format_bytes(static_cast<std::uint64_t>(progress.total));
    }
  }
  if (!progress.text.empty()) {
    text += "  " + printable(progress.text);
  }
  if (progress.rate > 0) {
    text += progress.rate_unit == "B/s"
                ? fmt::format("  {}/s", format_bytes(static_cast<std::uint64_t>(progress.rate)))
                : fmt::format("  {:.0f} {}", progress.rate, printable(progress.rate_unit));
  }
  if (progress.seconds_left) {
    text += fmt::format(
        "  {} left",
        format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(*progress.seconds_left * 1000))));
  }
  return text;
}

std::string plan_text(const Plan& plan, const Effects& effects, const Spec& spec, const Terminal& terminal) {
  const std::size_t width = widest_name(plan);
  std::string text;
  for (const PlannedStep& planned : plan.steps()) {
    std::string state = name_of(planned.state);
    state.resize(std::max<std::size_t>(state.size(), 9), ' ');
    const bool quiet = planned.state == State::cached || planned.state == State::skipped;
    const std::string shown = quiet ? terminal.dim(state) : terminal.yellow(state);
    text += fmt::format("  {:<{}}  {}  {}\n", planned.step->name, width, shown, join(planned.reasons, ", "));
  }
  if (plan.left_out() > 0) {
    text += fmt::format("  and {} for which nothing changed\n", count_of(plan.left_out(), "step"));
  }
  const auto is_planned = [&](const std::string& name) { return plan.find(name) != nullptr; };
  const std::vector<std::string> behind =
      spec.model ? spec.steps_named(spec.model->from.step) : std::vector<std::string>{};
  if (std::any_of(behind.begin(), behind.end(), is_planned)) {
    text += fmt::format("  {:<{}}  {}\n", "publish", width, publish_text(effects, spec));
    if (spec.deploy) {
      text += fmt::format("  {:<{}}  {}\n", spec.deploy->alias, width, rollout_text(effects));
    }
  }
  return text;
}

std::string cluster_changes_text(const std::vector<ClusterChange>& changes) {
  constexpr std::size_t most_lines = 60;
  std::string text = changes.empty() ? "" : "  in the cluster:\n";
  std::size_t lines = 0;
  for (const ClusterChange& change : changes) {
    text += fmt::format("    {}\n", printable(change.object));
    for (const std::string& line : change.lines) {
      if (++lines <= most_lines) {
        text += fmt::format("    {} {}\n", line.front(), printable(line.substr(1)));
      }
    }
  }
  if (lines > most_lines) {
    text += fmt::format("    and {} more\n", count_of(lines - most_lines, "line"));
  }
  return text;
}

void Reporter::say(const std::string& line) {
  clear_live_lines();
  fmt::print(stderr, "{}\n", secrets_.masked(line));
}

void Reporter::clear_live_lines() {
  for (; live_lines_ > 0; --live_lines_) {
    fmt::print(stderr, "\x1b[1A\x1b[2K");
  }
}

void Reporter::planned(const Plan& plan, const Effects& effects, const Spec& spec, const Secrets& secrets) {
  secrets_ = secrets;
  blobs_.emplace(Store::default_directory(spec.project));
  if (plan.anything_to_run() || !effects.nothing_to_do()) {
    clear_live_lines();
    fmt::print(stderr, "{}\n{}", terminal_.bold(spec.name), plan_text(plan, effects, spec, terminal_));
  }
}

void Reporter::step_started(const RunningStep& running) {
  const std::string& name = running.step->step->name;
  log_shown_[name] = 0;
  if (!running.equal_to.empty()) {
    say(fmt::format("{} computes the same as {}: waiting for it", terminal_.bold(name), running.equal_to));
  } else if (running.attached) {
    say(fmt::format("{} runs already, started by another mlpipe: waiting for it", terminal_.bold(name)));
  } else if (!terminal_.is_live()) {
    say(fmt::format("{} started", name));
  }
}

// What the job wrote since the last look: the log has moved into the store.
void Reporter::show_rest_of_log(const PlannedStep& planned, const Result& result) {
  const std::string& name = planned.step->name;
  if (terminal_.is_live() || !blobs_) {
    return;
  }
  const std::string log = read_file(blobs_->path_of_blob(result.log));
  for (const std::string& line : split(log.substr(std::min(log_shown_[name], log.size())), '\n')) {
    if (!line.empty()) {
      say(fmt::format("{} | {}", name, printable(line)));
    }
  }
}

void Reporter::step_retrying(const PlannedStep& planned, const Result& failed,
                             std::chrono::milliseconds wait) {
  show_rest_of_log(planned, failed);
  say(fmt::format("{} {}  retry {} of {} in {}: {}", terminal_.yellow("↻"), planned.step->name,
                  planned.retries, planned.step->retry.limit, format_duration(wait),
                  printable(failed.failure)));
  if (blobs_) {
    say(fmt::format("    log: {}", blobs_->path_of_blob(failed.log).string()));
  }
}

void Reporter::step_passed_over(const PlannedStep& planned) {
  // What did not succeed was said; that each step after it is blocked would hide it.
  if (planned.state == State::skipped) {
    say(fmt::format("{} {}  skipped: {}", terminal_.dim("-"), planned.step->name,
                    join(planned.reasons, ", ")));
  }
}

void Reporter::step_finished(const PlannedStep& planned) {
  const Result& result = *planned.result;
  const std::string& name = planned.step->name;
  show_rest_of_log(planned, result);
  if (result.succeeded) {
    std::string metrics;
    for (const auto& [metric, value] : result.metrics) {
      constexpr std::size_t few = 6;
      if (result.metrics.size() <= few) {
        metrics += fmt::format("  {} {:.4g}", metric, value);
      }
    }
    say(fmt::format("{} {}  {}{}", terminal_.green("✓"), name, duration_of(result), terminal_.dim(metrics)));
    if (!planned.kept.empty()) {
      say("    " + planned.kept);
    }
    if (planned.state != State::succeeded) {  // its selector wants more, or cannot choose
      say(fmt::format("    {}: {}", name_of(planned.state), join(planned.reasons, ", ")));
    }
    return;
  }
  say(fmt::format("{} {}  {}", terminal_.red("✗"), name, printable(result.failure)));
  if (blobs_ && result.failure != "cancelled") {
    // A failed build ends with 20 lines of what failed, and what mlpipe-image says around them.
    const std::size_t lines_shown = planned.step->kind() == "image" ? 24 : 20;
    const std::filesystem::path log = blobs_->path_of_blob(result.log);
    const std::string end = last_lines(read_file(log), lines_shown);
    for (const std::string& line : split(end, '\n')) {
      if (!end.empty()) {
        say("    " + printable(line));
      }
    }
    say(fmt::format("    log: {}", log.string()));
  }
}

void Reporter::warned(const std::string& sentence) {
  say(fmt::format("{} {}", terminal_.yellow("!"), printable(sentence)));
}

void Reporter::step_cached(const PlannedStep& planned) {
  if (planned.result) {
    say(fmt::format("{} {}  cached in the remote", terminal_.green("✓"), planned.step->name));
    return;
  }
  say(fmt::format("{} {}  cached: the steps before it yielded what they did before", terminal_.green("✓"),
                  planned.step->name));
}

void Reporter::tick(std::span<const RunningStep> running) {
  if (terminal_.is_live()) {
    show_live_lines(running);
  } else {
    show_new_log_lines(running);
  }
}

void Reporter::show_live_lines(std::span<const RunningStep> running) {
  clear_live_lines();
  for (const RunningStep& one : running) {
    const auto since = std::chrono::steady_clock::now() - one.since;
    std::string line = fmt::format("  {}  {}", one.step->step->name,
                                   format_duration(std::chrono::duration_cast<std::chrono::seconds>(since)));
    if (const auto progress = read_progress(one.directory)) {
      line += "  " + progress_text(*progress);
    }
    line = secrets_.masked(std::move(line));
    line.resize(std::min(line.size(), terminal_.width() - 1));
    fmt::print(stderr, "{}\n", line);
    ++live_lines_;
  }
  std::fflush(stderr);
}

void Reporter::show_new_log_lines(std::span<const RunningStep> running) {
  for (const RunningStep& one : running) {
    const std::string& name = one.step->step->name;
    const std::string log = read_file_if_exists(one.directory / "log").value_or("");
    std::size_t& shown = log_shown_[name];
    while (shown < log.size()) {
      const std::size_t end = log.find('\n', shown);
      if (end == std::string::npos) {
        break;
      }
      say(fmt::format("{} | {}", name, printable(log.substr(shown, end - shown))));
      shown = end + 1;
    }
  }
}

void Reporter::gate_passed(const Spec& spec, const RunReport& report) {
  if (report.effects.model_step != spec.model->from.step) {
    say(fmt::format("{} best  {}", terminal_.green("✓"), report.effects.model_step));
  }
  if (spec.model->gate) {
    say(fmt::format("{} gate  {}", terminal_.green("✓"), spec.model->gate_text));
  }
}

void Reporter::published(const Release& release, bool new_version) {
  say(fmt::format("{} {} {}  sha256:{}", terminal_.green("✓"), new_version ? "published" : "back to",
                  release.label(), release.artifact.digest.short_hex()));
}

void Reporter::rolling_out(const Release& release, const Effects&) {
  if (!terminal_.is_live()) {
    say(fmt::format("rolling out {}", release.label()));
  }
}

void Reporter::watched(const Release& release, int percent, const Traffic&) {
  if (percent != shown_percent_) {
    say(fmt::format("{} gets {} % of the traffic", release.label(), percent));
    shown_percent_ = percent;
  }
}

std::string summary_text(const RunReport& report, const Terminal& terminal) {
  std::string text;
  const Spec& spec = *report.spec;
  if (!report.gate_failures.empty()) {
    text += fmt::format("{} gate  {}: not published\n", terminal.red("✗"), spec.model->gate_text);
    for (const std::string& failure : report.gate_failures) {
      text += fmt::format("    {}\n", failure);
    }
  }
  if (!report.rollout_failure.empty()) {
    text += fmt::format("{} {}  the rollout failed: {}\n", terminal.red("✗"), spec.deploy->alias,
                        report.rollout_failure);
  }
  if (report.outcome == RunReport::Outcome::interrupted) {
    return text + "interrupted: what had finished is kept, the next run goes on from there\n";
  }
  const auto blocked = static_cast<std::size_t>(
      std::count_if(report.steps.begin(), report.steps.end(),
                    [](const PlannedStep& planned) { return planned.state == State::blocked; }));
  if (blocked > 0) {
    text += fmt::format("{} did not run, because of what failed\n", count_of(blocked, "step"));
  }
  if (report.effects.publish == Effects::Publish::set_aside) {
    text += fmt::format("{}; `mlpipe models promote {}:{}` serves it again\n", report.effects.publish_reason,
                        spec.model->name, report.effects.version);
  }
  if (!report.changed && report.outcome == RunReport::Outcome::succeeded) {
    const auto skipped = static_cast<std::size_t>(
        std::count_if(report.steps.begin(), report.steps.end(),
                      [](const PlannedStep& planned) { return planned.state == State::skipped; }));
    text += fmt::format("nothing changed: {} cached{}, 0 jobs run\n",
                        count_of(report.steps.size() + report.left_out - skipped, "step"),
                        skipped > 0 ? fmt::format(", {} skipped", skipped) : "");
  }
  if (report.serving && !report.address.empty()) {
    text += fmt::format("{} {} serves {} at {}\n", terminal.green("✓"), spec.deploy->alias,
                        terminal.bold(report.serving->label()), terminal.bold(report.address));
    const std::string data = report.changed ? example_data(*report.serving, report, Blobs(report.store)) : "";
    if (!data.empty()) {
      text += fmt::format("  try: curl -s {}/predict -d '{{\"data\":{}}}'\n", report.address, data);
    }
  }
  return text;
}

}  // namespace mlpipe
