#include "pipeline/plan/effects.hpp"

#include <gtest/gtest.h>

#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

using Publish = Effects::Publish;
using Rollout = Effects::Rollout;

constexpr const char* text = R"(name: p
steps:
  t: { run: "echo m > m", outs: [m] }
  check: { run: "true" }
model: { name: m, from: "${{ steps.t.outs.m }}" }
deploy: { alias: prod }
)";

class EffectsTest : public testing::Test {
 protected:
  EffectsTest() : spec_(spec_of(text)) {
    snapshot_.tools = {"x86_64", "trainer", "1", 2};
    snapshot_.results = &results_;
    Plan plan(spec_, snapshot_);
    run_all(plan, results_, [](const PlannedStep&) { return "model"; });
  }

  Effects effects(const Observed& observed) {
    const Plan plan(spec_, snapshot_);
    return plan_effects(spec_, plan, observed, wanted_);
  }

  Observed serving(const std::string& bytes) const {
    Observed observed;
    observed.alias = AliasState{1, digest_of(bytes), {}, {}};
    observed.releases = {{digest_of(bytes), 1}};
    observed.serving = {true, "1", digest_of(bytes), "http://127.0.0.1:1", "server", "shape"};
    return observed;
  }

  const WantedServing wanted_{"server", "shape"};
  KnownResults results_;
  Snapshot snapshot_;
  Spec spec_;
};

TEST_F(EffectsTest, NothingToDoWhenItServesWhatIsWanted) {
  EXPECT_TRUE(effects(serving("model")).nothing_to_do());
}

TEST_F(EffectsTest, ANewModelIsPublishedAndRolledOut) {
  EXPECT_EQ(effects({}).publish, Publish::publish);
  EXPECT_EQ(effects({}).rollout, Rollout::start);
  EXPECT_EQ(effects(serving("old")).publish, Publish::publish);
  EXPECT_EQ(effects(serving("old")).rollout, Rollout::update);
}

TEST_F(EffectsTest, KnownBytesGetNoNewVersion) {
  Observed observed = serving("newer");
  observed.releases = {{digest_of("model"), 1}, {digest_of("newer"), 2}};
  observed.alias->version = 2;
  EXPECT_EQ(effects(observed).publish, Publish::move);
  EXPECT_EQ(effects(observed).version, 1);
  EXPECT_EQ(effects(observed).rollout, Rollout::update);
}

TEST_F(EffectsTest, AReleaseThatWasRolledBackIsLeftAlone) {
  Observed observed = serving("older");
  observed.releases = {{digest_of("older"), 1}, {digest_of("model"), 2}};
  observed.alias->set_aside = {digest_of("model")};
  EXPECT_EQ(effects(observed).publish, Publish::set_aside);
  EXPECT_TRUE(effects(observed).nothing_to_do());
}

TEST_F(EffectsTest, AServerThatDiedOrDriftedIsMended) {
  Observed observed = serving("model");
  observed.serving = {};
  EXPECT_EQ(effects(observed).rollout, Rollout::start);
  observed = serving("model");
  observed.serving.model = digest_of("something else");
  EXPECT_EQ(effects(observed).rollout, Rollout::update);
  observed = serving("model");
  observed.serving.server = "an older build";
  EXPECT_EQ(effects(observed).rollout, Rollout::update);
  observed = serving("model");
  observed.serving.shape = "another port";
  EXPECT_EQ(effects(observed).rollout, Rollout::restart);
}

TEST_F(EffectsTest, NothingIsPublishedWhenAStepFailed) {
  results_.by_key.clear();
  Plan plan(spec_, snapshot_);
  while (const auto index = plan.take_ready()) {
    const bool good = plan.steps()[*index].step->name == "t";
    plan.finish(*index, results_.add(plan.steps()[*index], "model", good));
  }
  const Effects planned = plan_effects(spec_, plan, {}, wanted_);
  EXPECT_EQ(planned.publish, Publish::none);
  EXPECT_EQ(planned.rollout, Rollout::none);
}

TEST_F(EffectsTest, WaitsForWhatIsNotComputedYet) {
  results_.by_key.clear();
  EXPECT_EQ(effects({}).publish, Publish::undecided);
  EXPECT_EQ(effects({}).rollout, Rollout::undecided);
}

}  // namespace
}  // namespace mlpipe
