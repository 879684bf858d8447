#include "pipeline/deploy/rollout.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

using Phase = Rollout::Phase;

// Writes down what it is asked to do, and fails where it is told to.
class RecordingTarget : public Target {
 public:
  explicit RecordingTarget(std::string fails_at = "", bool withdraw_fails = false)
      : fails_at_(std::move(fails_at)), withdraw_fails_(withdraw_fails) {}

  ServingState observe() override { return {}; }
  WantedServing wanted() const override { return {}; }
  void bring_up(const ServedRelease& release) override { note("bring up " + release.version, "bring up"); }
  void weigh(const ServedRelease& release, const ServedRelease& current, int percent) override {
    note(fmt::format("weigh {} against {}: {} %", release.version, current.version, percent), "weigh");
  }
  void renew_weight() override { ++renewals; }
  Traffic traffic() override {
    if (seen.size() > 1) {
      const Traffic first = seen.front();
      seen.pop_front();
      return first;
    }
    return seen.empty() ? Traffic{} : seen.front();
  }
  void probe(const ServedRelease& release, std::size_t requests) override {
    note(fmt::format("probe {} with {}", release.version, requests), "probe");
    if (!after_probes.empty()) {
      seen = after_probes;
    }
  }
  void shift(const ServedRelease& release) override { note("shift " + release.version, "shift"); }
  void settle(const ServedRelease& release) override { note("settle " + release.version, "settle"); }
  void withdraw(const ServedRelease& release) override {
    note("withdraw to " + release.version, withdraw_fails_ ? fails_at_ : "never");
  }
  void stop() override {}
  std::optional<HttpReply> ask(const std::string&, std::string_view) override { return std::nullopt; }

  std::vector<std::string> calls;
  std::deque<Traffic> seen;  // what traffic() says, the last again and again
  std::deque<Traffic> after_probes;
  int renewals = 0;

 private:
  void note(const std::string& call, const std::string& name) {
    calls.push_back(call);
    if (name == fails_at_) {
      throw Error(name + " went wrong");
    }
  }
  std::string fails_at_;
  bool withdraw_fails_;
};

RolloutOptions recording(std::vector<Phase>& phases) {
  RolloutOptions options;
  options.record = [&phases](const Rollout& rollout) { phases.push_back(rollout.phase()); };
  return options;
}

// A clock that goes on by what is slept, and no more.
struct FakeTime {
  Rollout::Time now{};

  RolloutOptions options(Strategy strategy) {
    RolloutOptions options;
    options.strategy = std::move(strategy);
    options.clock = {[this] { return now; }, [this](std::chrono::milliseconds time) { now += time; }};
    return options;
  }
};

Strategy canary(const std::vector<std::string>& terms, int min_requests = 0,
                Strategy::OnNoData on_no_data = Strategy::OnNoData::probe) {
  Strategy strategy;
  strategy.canary = true;
  strategy.steps = {{10, {}}, {std::nullopt, std::chrono::seconds(30)}, {50, {}}};
  for (const std::string& term : terms) {
    strategy.abort_if.push_back({term, parse_expression(term)});
  }
  strategy.min_requests = min_requests;
  strategy.on_no_data = on_no_data;
  return strategy;
}

Traffic traffic(Observation candidate, Observation current = {1000, 0, 0.010, 0.020}) {
  return {candidate, current};
}

const ServedRelease two{"2", {}, {}};
const ServedRelease one{"1", {}, {}};

TEST(Rollout, GoesTheWholeWay) {
  RecordingTarget target;
  std::vector<Phase> recorded;
  const Rollout rollout = roll_out(target, two, one, recording(recorded));
  EXPECT_EQ(rollout.phase(), Phase::promoted);
  EXPECT_EQ(target.calls, (std::vector<std::string>{"bring up 2", "shift 2", "settle 2"}));
  EXPECT_EQ(recorded, (std::vector<Phase>{Phase::bring_up, Phase::shift, Phase::settle, Phase::promoted}));
}

TEST(Rollout, AFailureGoesBackToWhatServed) {
  for (const std::string step : {"bring up", "shift", "settle"}) {
    RecordingTarget target(step);
    const Rollout rollout = roll_out(target, two, one, {});
    EXPECT_EQ(rollout.phase(), Phase::aborted) << step;
    EXPECT_EQ(rollout.failure(), step + " went wrong");
    EXPECT_EQ(target.calls.back(), "withdraw to 1") << step;
  }
}

TEST(Rollout, WithoutAnEarlierReleaseThereIsNothingToGoBackTo) {
  RecordingTarget target("shift");
  const Rollout rollout = roll_out(target, two, std::nullopt, {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(target.calls, (std::vector<std::string>{"bring up 2", "shift 2"}));
}

TEST(Rollout, SaysWhenGoingBackFailsToo) {
  RecordingTarget target("shift", true);
  const Rollout rollout = roll_out(target, two, one, {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(rollout.failure(), "shift went wrong; going back failed too: shift went wrong");
}

TEST(Canary, GoesUpStepByStepAndThenTakesAll) {
  RecordingTarget target;
  target.seen = {traffic({200, 0, 0.010, 0.020})};
  FakeTime time;
  std::vector<Phase> phases;
  RolloutOptions options = time.options(canary({"error_rate > 0.01", "p99 > 1.5 * current.p99"}, 200));
  options.record = recording(phases).record;
  const Rollout rollout = roll_out(target, two, one, options);
  EXPECT_EQ(rollout.phase(), Phase::promoted) << rollout.failure();
  EXPECT_EQ(target.calls, (std::vector<std::string>{"bring up 2", "weigh 2 against 1: 10 %",
                                                    "weigh 2 against 1: 50 %", "shift 2", "settle 2"}));
  EXPECT_EQ(phases, (std::vector<Phase>{Phase::bring_up, Phase::weigh, Phase::watch, Phase::weigh,
                                        Phase::watch, Phase::shift, Phase::settle, Phase::promoted}));
  EXPECT_GE(time.now.time_since_epoch(), std::chrono::seconds(30));
  EXPECT_GE(target.renewals, 10);  // the lease is shorter than the pause
}

TEST(Canary, ATermThatHoldsTakesItBackBeforeTheTimeIsOver) {
  RecordingTarget target;
  target.seen = {traffic({50, 10, 0.010, 0.020}), traffic({200, 30, 0.010, 0.020})};
  FakeTime time;
  const Rollout rollout = roll_out(target, two, one, time.options(canary({"error_rate > 0.01"}, 200)));
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(rollout.failure(), "at 10 % of the traffic: error_rate > 0.01: error_rate is 0.15");
  EXPECT_EQ(target.calls.back(), "withdraw to 1");
  EXPECT_LT(time.now.time_since_epoch(), std::chrono::seconds(5));
}

TEST(Canary, ComparesWithTheServingRelease) {
  RecordingTarget target;
  target.seen = {traffic({200, 0, 0.010, 0.040})};
  FakeTime time;
  const Rollout rollout = roll_out(target, two, one, time.options(canary({"p99 > 1.5 * current.p99"})));
  EXPECT_EQ(rollout.failure(),
            "at 10 % of the traffic: p99 > 1.5 * current.p99: p99 is 0.04, current.p99 is 0.02");
}

TEST(Canary, TheFirstReleaseHasNothingToBeComparedWith) {
  RecordingTarget target;
  FakeTime time;
  const Rollout rollout = roll_out(target, two, std::nullopt, time.options(canary({"error_rate > 0"}, 5)));
  EXPECT_EQ(rollout.phase(), Phase::promoted);
  EXPECT_EQ(target.calls, (std::vector<std::string>{"bring up 2", "shift 2", "settle 2"}));
}

TEST(Canary, TooFewRequestsAreMadeUpForByProbes) {
  RecordingTarget target;
  target.seen = {traffic({3, 0, 0.010, 0.020}, {20, 0, 0.010, 0.020})};
  target.after_probes = {traffic({203, 0, 0.010, 0.020}, {220, 0, 0.010, 0.020})};
  FakeTime time;
  const Rollout rollout = roll_out(target, two, one, time.options(canary({"p99 > 1.5 * current.p99"}, 200)));
  EXPECT_EQ(rollout.phase(), Phase::promoted) << rollout.failure();
  EXPECT_EQ(target.calls.at(2), "probe 2 with 200");
  EXPECT_EQ(target.calls.at(3), "probe 1 with 200");
}

TEST(Canary, ProbesThatAreNotSeenAreNoSuccess) {
  RecordingTarget target;
  target.seen = {traffic({}, {})};
  FakeTime time;
  const Rollout rollout = roll_out(target, two, one, time.options(canary({"error_rate > 0"}, 200)));
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(rollout.failure(),
            "at 10 % of the traffic: 200 requests wanted for each release, seen 0 and 0 of the serving one, "
            "probes included");
}

TEST(Canary, TooFewRequestsCanEndItOrBeWaitedFor) {
  FakeTime time;
  RecordingTarget ending;
  ending.seen = {traffic({3, 0, 0.010, 0.020})};
  const Rollout ended =
      roll_out(ending, two, one, time.options(canary({"error_rate > 0"}, 200, Strategy::OnNoData::abort)));
  EXPECT_EQ(ended.phase(), Phase::aborted);

  RecordingTarget waiting;
  waiting.seen.assign(1000, traffic({3, 0, 0.010, 0.020}));  // for far longer than the step asks for
  waiting.seen.push_back(traffic({200, 0, 0.010, 0.020}));
  const Rollout waited =
      roll_out(waiting, two, one, time.options(canary({"error_rate > 0"}, 200, Strategy::OnNoData::hold)));
  EXPECT_EQ(waited.phase(), Phase::promoted);
}

TEST(Canary, AnInterruptTakesItBack) {
  RecordingTarget target;
  FakeTime time;
  RolloutOptions options = time.options(canary({}));
  options.interrupted = [&time] { return time.now.time_since_epoch() > std::chrono::seconds(3); };
  const Rollout rollout = roll_out(target, two, one, options);
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(rollout.failure(), "it was interrupted");
  EXPECT_EQ(target.calls.back(), "withdraw to 1");
}

}  // namespace
}  // namespace mlpipe
