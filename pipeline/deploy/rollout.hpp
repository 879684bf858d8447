#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/deploy/target.hpp"
#include "pipeline/deploy/traffic.hpp"
#include "pipeline/spec/strategy.hpp"

namespace mlpipe {

// The way of a release to its traffic, the same on every target: bring up → (of a canary, for each of its
// weights: weigh → watch) → shift → settle → promoted; a failure on the way leads to withdraw → aborted.
// Pure: it is told how each effect went, what was observed and what time it is, and says what comes next.
class Rollout {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Phase { bring_up, weigh, watch, shift, settle, promoted, withdraw, aborted };

  Rollout() = default;
  // A rollout without a release that serves now has nothing to go back to, and none to compare with: all
  // traffic goes to it at once, whatever the strategy.
  explicit Rollout(bool has_previous, Strategy strategy = {});

  Phase phase() const { return phase_; }
  bool ended() const { return phase_ == Phase::promoted || phase_ == Phase::aborted; }
  // Why it was aborted.
  const std::string& failure() const { return failure_; }

  // weigh, watch: the candidate's share of the traffic, in percent.
  int weight() const { return stages_.at(stage_).weight; }
  // watch: a step may only be left once each release got that many requests.
  std::uint64_t wanted_requests() const;
  // watch: the time is over, but there were too few requests; probes are to be sent, then it is observed
  // again.
  bool wants_probe() const { return wants_probe_; }

  void effect_succeeded(Time now);
  void effect_failed(const std::string& reason);
  // watch: what happened since the weight was set.
  void observed(const Traffic& traffic, Time now);

 private:
  // A weight, and for how long it is watched.
  struct Stage {
    int weight = 0;
    std::chrono::milliseconds watched{0};
  };

  void enter_stage();
  void leave_stage();
  void handle_lack(const Traffic& traffic);

  Strategy strategy_;
  std::vector<Stage> stages_;
  std::size_t stage_ = 0;
  Time stage_end_{};
  bool wants_probe_ = false;
  bool probed_ = false;
  Phase phase_ = Phase::bring_up;
  bool has_previous_ = false;
  std::string failure_;
};

const char* name_of(Rollout::Phase phase);

// The terms of `abort-if` that hold, each with what its values are: "error_rate > 0.01: error_rate is 0.2". A
// term with `current` counts only where the serving release got requests.
std::vector<std::string> terms_that_hold(const Strategy& strategy, const Traffic& traffic);

// Real time, or a test's.
struct Clock {
  std::function<Rollout::Time()> now;
  std::function<void(std::chrono::milliseconds)> sleep;

  static Clock steady();
};

struct RolloutOptions {
  Strategy strategy;
  // Called with the rollout before each effect, so that the next command can see what a killed one began.
  std::function<void(const Rollout&)> record = [](const Rollout&) {};
  // watch: each time that it looked.
  std::function<void(const Rollout&, const Traffic&)> looked = [](const Rollout&, const Traffic&) {};
  // Whether it is to be aborted; asked while a canary is watched.
  std::function<bool()> interrupted = [] { return false; };
  Clock clock = Clock::steady();
};

// Carries a rollout out on a target. Returns the ended rollout.
Rollout roll_out(Target& target, const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
                 const RolloutOptions& options);

}  // namespace mlpipe
