// Every selector with no, one and many results.
#include "pipeline/plan/choose.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace mlpipe {
namespace {

// One that ended at that second, with these metrics.
Result result(int second, std::map<std::string, double> metrics = {}, bool succeeded = true) {
  Result one;
  one.action_key = digest_of("key");
  one.succeeded = succeeded;
  one.failure = succeeded ? "" : "exit status 1";
  one.metrics = std::move(metrics);
  one.started = std::chrono::system_clock::time_point(std::chrono::seconds(second - 1));
  one.finished = std::chrono::system_clock::time_point(std::chrono::seconds(second));
  return one;
}

std::string id(const Result& one) {
  return result_id(one).short_hex();
}

// The seconds at which the chosen ones ended.
std::vector<std::int64_t> chosen(const std::string& selector, const std::vector<Result>& results) {
  std::vector<std::int64_t> seconds;
  for (const Result& one : choose(parse_selector(selector), results).results) {
    seconds.push_back(
        std::chrono::duration_cast<std::chrono::seconds>(one.finished.time_since_epoch()).count());
  }
  return seconds;
}

using Seconds = std::vector<std::int64_t>;

const std::vector<Result> none;
const std::vector<Result> failed = {result(1, {{"a", 1}}, false)};
const std::vector<Result> one = {result(1, {{"a", 0.5}})};
// Not in the order of age: as in a store that was filled from others.
const std::vector<Result> many = {result(4, {{"a", 0.7}}), result(1, {{"a", 0.9}}), result(2, {{"b", 1}}),
                                  result(5, {{"a", 2}}, false), result(3, {{"a", 0.9}})};

TEST(Choose, OfNoneLacksOne) {
  for (const char* selector : {"latest", "best(a)", "only", "all"}) {
    for (const auto* results : {&none, &failed}) {
      const Choice choice = choose(parse_selector(selector), *results);
      EXPECT_EQ(choice.lacking, 1U) << selector;
      EXPECT_FALSE(choice.is_made());
      EXPECT_TRUE(choice.results.empty());
      EXPECT_EQ(choice.problem, "");
    }
  }
  EXPECT_EQ(choose(parse_selector("some(3)"), none).lacking, 3U);
  const Choice exact = choose(parse_selector("exact(3f2a)"), none);
  EXPECT_EQ(exact.lacking, 0U) << "running cannot make a result of a given id";
  EXPECT_EQ(exact.problem, "there is no result 3f2a: what the step would do now has none");
}

TEST(Choose, OfOneTakesIt) {
  for (const char* selector : {"latest", "best(a)", "best(a, min)", "some(1)", "only", "all"}) {
    EXPECT_EQ(chosen(selector, one), Seconds{1}) << selector;
  }
  EXPECT_EQ(chosen("exact(" + id(one[0]) + ")", one), Seconds{1});
  EXPECT_EQ(choose(parse_selector("some(3)"), one).lacking, 2U);
  EXPECT_EQ(choose(parse_selector("some(3)"), one).succeeded, 1U);
}

TEST(Choose, OfMany) {
  EXPECT_EQ(chosen("latest", many), Seconds{4});
  EXPECT_EQ(chosen("best(a)", many), Seconds{1}) << "of equal ones the older";
  EXPECT_EQ(chosen("best(a, min)", many), Seconds{4});
  EXPECT_EQ(chosen("some(3)", many), (Seconds{1, 2, 3}));
  EXPECT_EQ(chosen("all", many), (Seconds{1, 2, 3, 4}));
  EXPECT_EQ(chosen("exact(" + id(many[0]) + "," + id(many[2]) + ")", many), (Seconds{2, 4}));
  const Choice only = choose(parse_selector("only"), many);
  EXPECT_FALSE(only.is_made());
  EXPECT_NE(only.problem.find(id(many[2])), std::string::npos) << only.problem;
  EXPECT_NE(only.problem.find("select: exact(" + id(many[0]) + ")"), std::string::npos) << only.problem;
}

TEST(Choose, IsTheSameForAnyOrderOfResults) {
  std::vector<Result> shuffled = many;
  std::sort(shuffled.begin(), shuffled.end(),
            [](const Result& a, const Result& b) { return result_id(a) < result_id(b); });
  do {
    for (const char* selector : {"latest", "best(a)", "best(a, min)", "some(2)", "all"}) {
      EXPECT_EQ(chosen(selector, shuffled), chosen(selector, many)) << selector;
    }
  } while (std::next_permutation(shuffled.begin(), shuffled.end(), [](const Result& a, const Result& b) {
    return result_id(a) < result_id(b);
  }));
}

TEST(Choose, BestSaysWhichMetricsThereAre) {
  EXPECT_EQ(choose(parse_selector("best(c)"), many).problem,
            "no result has the metric 'c': they report a, b");
  EXPECT_EQ(choose(parse_selector("best(c)"), std::vector{result(1)}).problem,
            "no result has the metric 'c': they report no metrics");
}

TEST(Choose, ExactSaysWhatIsNotThere) {
  EXPECT_EQ(choose(parse_selector("exact(0000)"), one).problem,
            "there is no result 0000 of what the step would do now: it has " + id(one[0]));
  EXPECT_EQ(choose(parse_selector("exact(" + id(failed[0]) + ")"), failed).problem,
            "result " + id(failed[0]) + " failed");
}

TEST(Choose, SaysWhatIsKept) {
  const Selector best = parse_selector("best(a)");
  const Result older = result(1, {{"a", 0.981}});
  const Result worse = result(2, {{"a", 0.962}});
  EXPECT_EQ(why_kept(best, std::vector{older}, worse),
            "kept result " + id(older) + " with a 0.981: the new one has 0.962");
  EXPECT_EQ(why_kept(best, std::vector{older}, result(2)),
            "kept result " + id(older) + " with a 0.981: the new one has none");
  EXPECT_EQ(why_kept(best, std::vector{worse}, worse), "");
  EXPECT_EQ(why_kept(parse_selector("some(1)"), std::vector{older}, worse),
            "kept result " + id(older) + ": the step has `select: some(1)`");
}

}  // namespace
}  // namespace mlpipe
