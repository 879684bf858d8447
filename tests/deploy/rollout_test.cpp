#include "pipeline/deploy/rollout.hpp"

#include <gtest/gtest.h>

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
  void shift(const ServedRelease& release) override { note("shift " + release.version, "shift"); }
  void settle(const ServedRelease& release) override { note("settle " + release.version, "settle"); }
  void withdraw(const ServedRelease& release) override {
    note("withdraw to " + release.version, withdraw_fails_ ? fails_at_ : "never");
  }
  void stop() override {}

  std::vector<std::string> calls;

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

const ServedRelease two{"2", {}, {}};
const ServedRelease one{"1", {}, {}};

TEST(Rollout, GoesTheWholeWay) {
  RecordingTarget target;
  std::vector<Phase> recorded;
  const Rollout rollout = roll_out(target, two, one, [&](Phase phase) { recorded.push_back(phase); });
  EXPECT_EQ(rollout.phase(), Phase::promoted);
  EXPECT_EQ(target.calls, (std::vector<std::string>{"bring up 2", "shift 2", "settle 2"}));
  EXPECT_EQ(recorded, (std::vector<Phase>{Phase::bring_up, Phase::shift, Phase::settle, Phase::promoted}));
}

TEST(Rollout, AFailureGoesBackToWhatServed) {
  for (const std::string step : {"bring up", "shift", "settle"}) {
    RecordingTarget target(step);
    const Rollout rollout = roll_out(target, two, one, [](Phase) {});
    EXPECT_EQ(rollout.phase(), Phase::aborted) << step;
    EXPECT_EQ(rollout.failure(), step + " went wrong");
    EXPECT_EQ(target.calls.back(), "withdraw to 1") << step;
  }
}

TEST(Rollout, WithoutAnEarlierReleaseThereIsNothingToGoBackTo) {
  RecordingTarget target("shift");
  const Rollout rollout = roll_out(target, two, std::nullopt, [](Phase) {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(target.calls, (std::vector<std::string>{"bring up 2", "shift 2"}));
}

TEST(Rollout, SaysWhenGoingBackFailsToo) {
  RecordingTarget target("shift", true);
  const Rollout rollout = roll_out(target, two, one, [](Phase) {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_EQ(rollout.failure(), "shift went wrong; going back failed too: shift went wrong");
}

}  // namespace
}  // namespace mlpipe
