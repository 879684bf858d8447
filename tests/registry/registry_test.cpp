#include "pipeline/registry/registry.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/registry/gate.hpp"
#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() : store_(Store::open(folder_.path() / "store")), registry_(store_) {}

  Release publish(const std::string& bytes) {
    return registry_.publish("m", {"model", true, digest_of(bytes), bytes.size()}, {{"accuracy", 0.9}},
                             R"({"pipeline":"p"})");
  }

  TemporaryDirectory folder_;
  Store store_;
  Registry registry_;
};

TEST_F(RegistryTest, VersionsCountUpAndKnownBytesGetNoNewOne) {
  EXPECT_EQ(publish("a").version, 1);
  EXPECT_EQ(publish("b").version, 2);
  EXPECT_EQ(publish("a").version, 1);
  EXPECT_EQ(registry_.releases("m").size(), 2U);
  EXPECT_EQ(registry_.versions_by_tree("m").at(digest_of("b")), 2);
}

TEST_F(RegistryTest, AnAliasMovesAndRemembers) {
  publish("a");
  publish("b");
  EXPECT_FALSE(registry_.resolve("m", "prod"));
  registry_.move_alias("m", "prod", 1, "published");
  registry_.move_alias("m", "prod", 2, "published");
  EXPECT_EQ(registry_.resolve("m", "prod")->version, 2);
  EXPECT_EQ(registry_.history("m", "prod").size(), 2U);
  EXPECT_TRUE(registry_.alias_state("m", "prod")->set_aside.empty());
}

TEST_F(RegistryTest, ARollbackSetsAReleaseAsideUntilItIsPromoted) {
  publish("a");
  publish("b");
  registry_.move_alias("m", "prod", 1, "published");
  registry_.move_alias("m", "prod", 2, "published");
  registry_.move_alias("m", "prod", 1, "rollback");
  EXPECT_EQ(registry_.alias_state("m", "prod")->set_aside, std::vector<Digest>{digest_of("b")});
  registry_.move_alias("m", "prod", 2, "promote");
  EXPECT_TRUE(registry_.alias_state("m", "prod")->set_aside.empty());
}

TEST_F(RegistryTest, ResolvesWhatPeopleWrite) {
  publish("a");
  publish("b");
  registry_.move_alias("m", "prod", 1, "published");
  EXPECT_EQ(registry_.resolve_reference("m").version, 2);
  EXPECT_EQ(registry_.resolve_reference("m:1").version, 1);
  EXPECT_EQ(registry_.resolve_reference("m@prod").version, 1);
  for (const char* wrong : {"n", "m:3", "m:x", "m@stage", "", ":1"}) {
    EXPECT_THROW(registry_.resolve_reference(wrong), UsageError) << wrong;
  }
}

class GateTest : public testing::Test {
 protected:
  std::vector<std::string> unmet(const std::string& gate, const std::optional<AliasState>& current) {
    const Spec spec = spec_of(R"(name: p
params: { least: 0.9 }
steps:
  t: { run: x, outs: [m] }
  check: { run: y }
model: { name: m, from: "${{ steps.t.outs.m }}", gate: ")" +
                              gate + "\" }\n");
    KnownResults results;
    Snapshot snapshot;
    snapshot.results = &results;
    Plan plan(spec, snapshot);
    while (const auto index = plan.take_ready()) {
      const PlannedStep& planned = plan.steps()[*index];
      const std::map<std::string, double> metrics = planned.step->name == "t"
                                                        ? std::map<std::string, double>{{"accuracy", 0.95}}
                                                        : std::map<std::string, double>{{"classes.f1", 0.5}};
      plan.finish(*index, results.add(planned, "bytes", true, metrics));
    }
    metrics_ = release_metrics(spec, plan);
    return unmet_gate(spec, plan, current);
  }

  std::map<std::string, double> metrics_;
};

TEST_F(GateTest, ComparesMetricsOfStepsParamsAndTheCurrentRelease) {
  EXPECT_TRUE(unmet("accuracy >= params.least and check.classes.f1 == 0.5 and t.accuracy < 1", {}).empty());
  EXPECT_EQ(metrics_, (std::map<std::string, double>{{"accuracy", 0.95}, {"check.classes.f1", 0.5}}));
  const AliasState current{1, {}, {{"accuracy", 0.99}}, {}};
  EXPECT_TRUE(unmet("accuracy >= current.accuracy", {}).empty());
  EXPECT_TRUE(unmet("accuracy >= current.nosuch", current).empty());
  EXPECT_EQ(
      unmet("accuracy >= current.accuracy - 0.01", current),
      std::vector<std::string>{"accuracy is 0.95, wanted >= 0.98 (current.accuracy - 0.01): short by 0.03"});
}

TEST_F(GateTest, AMetricThatNobodyReportsIsAnError) {
  EXPECT_THROW(unmet("acuracy >= 0.5", {}), Error);
  EXPECT_THROW(unmet("check.accuracy >= 0.5", {}), Error);
}

}  // namespace
}  // namespace mlpipe
