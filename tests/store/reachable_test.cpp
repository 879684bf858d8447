#include "pipeline/store/reachable.hpp"

#include <set>

#include "tests/store/store_fixture.hpp"

namespace mlpipe {
namespace {

class ReachableTest : public StoreFixture {
 protected:
  std::set<std::int64_t> kept(const std::vector<Result>& results) const {
    Root root{Root::Kind::pin, "test", {}, {}, {}};
    for (const Result& result : results) {
      root.results.push_back(result.id);
    }
    return rows(reachable(*store_, {&root, 1}));
  }
  static std::set<std::int64_t> rows(const Reachable& reached) {
    std::set<std::int64_t> rows;
    for (const auto& [row, root] : reached.results) {
      rows.insert(row);
    }
    return rows;
  }
};

TEST_F(ReachableTest, AResultKeepsWhatItWasMadeFromAndNothingElse) {
  const Result d1 = add("d1", {}, "one");
  const Result a = add("d2", {{"d1", d1}}, "two a");
  const Result b = add("d2", {{"d1", d1}}, "two b");
  ASSERT_EQ(a.action_key, b.action_key);
  const Result d3 = add("d3", {{"d2", b}}, "three");
  EXPECT_TRUE(kept({}).empty());
  EXPECT_EQ(kept({a}), (std::set<std::int64_t>{d1.id, a.id}));
  EXPECT_EQ(kept({a, b}), (std::set<std::int64_t>{d1.id, a.id, b.id}));
  EXPECT_EQ(kept({d3}), (std::set<std::int64_t>{d1.id, b.id, d3.id}));
}

TEST_F(ReachableTest, OfEqualBytesTheJobWasGivenTheNewestOfThatStep) {
  add("other", {}, "same");
  const Result early = add("d1", {}, "same");
  const Result used = add("d1", {}, "same");
  const Result d2 = add("d2", {{"d1", used}}, "two");
  const Result late = add("d1", {}, "same");
  EXPECT_EQ(early.outputs, late.outputs);
  EXPECT_EQ(kept({d2}), (std::set<std::int64_t>{used.id, d2.id}));
}

TEST_F(ReachableTest, ReachesTheFilesOfATreeAndTheLog) {
  const Result result = add("d1", {}, {{"a", "1"}, {"b/c", "2"}});
  Root root{Root::Kind::pin, "test", {result.id}, {}, {}};
  const Reachable reached = reachable(*store_, {&root, 1});
  EXPECT_EQ(reached.trees, std::unordered_set<Digest>{result.outputs[0].digest});
  EXPECT_EQ(reached.blobs, (std::unordered_set<Digest>{result.outputs[0].digest, digest_of("1"),
                                                       digest_of("2"), result.log}));
}

TEST_F(ReachableTest, BytesAndRunningJobsKeepWhatMadeTheirInputs) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"b", "2"}});
  const Result d2 = add("d2", {{"d1", d1}}, "two");
  add("d3", {}, "three");
  const Root bytes{Root::Kind::alias, "m@prod", {}, {d1.outputs[0]}, {}};
  EXPECT_EQ(rows(reachable(*store_, {&bytes, 1})), std::set<std::int64_t>{d1.id});
  const Root job{Root::Kind::job, "job", {}, {}, {d2.action_key}};
  const Reachable reached = reachable(*store_, {&job, 1});
  EXPECT_EQ(rows(reached), std::set<std::int64_t>{d1.id});
  EXPECT_TRUE(reached.keys.contains(d2.action_key));
}

TEST_F(ReachableTest, TellsTheFirstRootThatHoldsAResult) {
  const Result d1 = add("d1", {}, "one");
  const Result d2 = add("d2", {{"d1", d1}}, "two");
  const std::vector<Root> roots = {{Root::Kind::pin, "none", {}, {}, {}},
                                   {Root::Kind::pin, "d2", {d2.id}, {}, {}},
                                   {Root::Kind::pin, "d1", {d1.id}, {}, {}}};
  EXPECT_EQ(reachable(*store_, roots).results.at(d1.id), 1U);
  EXPECT_EQ(everything_reachable(*store_).results.size(), 2U);
}

}  // namespace
}  // namespace mlpipe
