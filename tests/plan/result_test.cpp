#include "pipeline/plan/result.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

Result sample() {
  Result result;
  result.id = 7;
  result.action_key = digest_of("key");
  result.succeeded = true;
  result.outputs = {{"model", true, digest_of("bytes"), 5}};
  result.metrics = {{"accuracy", 0.9}};
  result.log = digest_of("log");
  result.started = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'123));
  result.finished = result.started + std::chrono::milliseconds(5);
  return result;
}

TEST(ResultId, IsOfWhatTheResultIsAndNotOfItsRow) {
  Result other = sample();
  other.id = 8;
  // A database keeps milliseconds.
  other.started += std::chrono::microseconds(300);
  EXPECT_EQ(result_id(other), result_id(sample()));
  EXPECT_EQ(result_id(sample()).short_hex(), "456f0e820d65") << "ids of stores that exist must not change";
}

TEST(ResultId, DiffersWithWhatCounts) {
  std::vector<Result> results(7, sample());
  results[1].action_key = digest_of("another key");
  results[2].succeeded = false;
  results[3].outputs[0].name = "report";
  results[4].outputs[0].digest = digest_of("other bytes");
  results[5].started += std::chrono::milliseconds(1);
  results[6].log = digest_of("another log");
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(result_id(results[i]), result_id(results[j])) << i << " and " << j;
    }
  }
}

TEST(ResultId, IsFoundByAnyBeginning) {
  std::vector<Result> results(2, sample());
  results[1].log = digest_of("another log");
  const std::string id = result_id(results[1]).hex();
  const std::vector<Result> found = results_with_id(results, id.substr(0, 12));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].log, results[1].log);
  EXPECT_EQ(results_with_id(results, "").size(), 2U);
  EXPECT_TRUE(is_id_prefix(id));
  EXPECT_TRUE(is_id_prefix(id.substr(0, 4)));
  EXPECT_FALSE(is_id_prefix(id.substr(0, 3)));
  EXPECT_FALSE(is_id_prefix("train"));
  EXPECT_FALSE(is_id_prefix(id + "0"));
}

}  // namespace
}  // namespace mlpipe
