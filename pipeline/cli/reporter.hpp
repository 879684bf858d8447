#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/cli/terminal.hpp"
#include "pipeline/run/cluster_view.hpp"
#include "pipeline/run/run_pipeline.hpp"

namespace mlpipe {

// Shows a run to a person, on standard error: what will happen and why, what happens, what came of it. On a
// terminal one live line for each running step; elsewhere plain lines, the jobs' own output among them.
class Reporter : public RunObserver {
 public:
  explicit Reporter(Terminal terminal) : terminal_(terminal) {}

  void planned(const Plan& plan, const Effects& effects, const Spec& spec, const Secrets& secrets) override;
  void step_started(const RunningStep& running) override;
  void step_finished(const PlannedStep& planned) override;
  void step_cached(const PlannedStep& planned) override;
  void step_retrying(const PlannedStep& planned, const Result& failed,
                     std::chrono::milliseconds wait) override;
  void step_passed_over(const PlannedStep& planned) override;
  void warned(const std::string& sentence) override;
  void tick(std::span<const RunningStep> running) override;
  void gate_passed(const Spec& spec, const RunReport& report) override;
  void published(const Release& release, bool new_version) override;
  void rolling_out(const Release& release, const Effects& effects) override;
  void watched(const Release& release, int percent, const Traffic& traffic) override;

 private:
  void say(const std::string& line);
  void show_rest_of_log(const PlannedStep& planned, const Result& result);
  void clear_live_lines();
  void show_live_lines(std::span<const RunningStep> running);
  void show_new_log_lines(std::span<const RunningStep> running);

  Terminal terminal_;
  std::optional<Blobs> blobs_;
  Secrets secrets_;  // that no line may show
  std::size_t live_lines_ = 0;
  int shown_percent_ = 0;                         // of a canary
  std::map<std::string, std::size_t> log_shown_;  // bytes of a running step's log that were shown
};

// The plan as a table: what runs and why, and the effects. Ends with a newline.
std::string plan_text(const Plan& plan, const Effects& effects, const Spec& spec, const Terminal& terminal);

// What a rollout would change in a cluster, in few lines. Empty where there is nothing, else ends with a
// newline.
std::string cluster_changes_text(const std::vector<ClusterChange>& changes);

// What a run came to, at its end.
std::string summary_text(const RunReport& report, const Terminal& terminal);

// How far a job is, on one line: "epoch 3/12  loss 0.12  5400 samples/s  4.1 s left".
std::string progress_text(const Progress& progress);

}  // namespace mlpipe
