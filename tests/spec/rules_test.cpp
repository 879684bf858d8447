#include <gtest/gtest.h>

#include "pipeline/base/quantity.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

Step step(const std::string& keys) {
  return read_spec("/project/pipeline.yaml",
                   parse_yaml("pipeline.yaml",
                              "name: p\nparams: { n: 3 }\nsteps: { a: { run: x, " + keys + " } }\n"),
                   {})
      .steps.front();
}

TEST(Quantity, IsReadAsKubernetesWritesIt) {
  EXPECT_EQ(parse_cores("2"), 2000);
  EXPECT_EQ(parse_cores("0.5"), 500);
  EXPECT_EQ(parse_cores("500m"), 500);
  EXPECT_EQ(parse_cores("0.1m"), 1);
  EXPECT_EQ(parse_bytes("4Gi"), std::uint64_t{4} << 30U);
  EXPECT_EQ(parse_bytes("512M"), 512'000'000U);
  EXPECT_EQ(parse_bytes("1.5Ki"), 1536U);
  EXPECT_EQ(parse_bytes("1000"), 1000U);
  for (const char* wrong : {"", "m", "-1", "1 Gi", "fast", "1e99"}) {
    EXPECT_EQ(parse_cores(wrong), std::nullopt) << wrong;
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
  for (const char* wrong : {"4GB", "4gi", "4GiB"}) {
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
}

TEST(Rules, OfRetryHaveDefaults) {
  EXPECT_EQ(step("timeout: 1s").retry.limit, 0U);
  const Retry plain = step("retry: 2").retry;
  EXPECT_EQ(plain.limit, 2U);
  EXPECT_TRUE(plain.after_failure && plain.after_kill && plain.after_timeout);
  EXPECT_EQ(plain.wait_before(1), 1s);
  EXPECT_EQ(plain.wait_before(2), 2s);
  EXPECT_EQ(plain.wait_before(60), 1min);
  const Retry full =
      step("retry: { limit: '${{ params.n }}', when: [killed], backoff: 100ms, factor: 3, max-backoff: 2s }")
          .retry;
  EXPECT_EQ(full.limit, 3U);
  EXPECT_TRUE(!full.after_failure && full.after_kill && !full.after_timeout);
  EXPECT_EQ(full.wait_before(2), 300ms);
  EXPECT_EQ(full.wait_before(4), 2s);
}

TEST(Rules, OfResourcesAreAmounts) {
  const Resources resources = step("resources: { cpu: 500m, memory: 1Gi, gpu: '${{ params.n }}' }").resources;
  EXPECT_EQ(resources.cpu, 500);
  EXPECT_EQ(resources.memory, 1U << 30U);
  EXPECT_EQ(resources.gpu, 3);
  EXPECT_EQ(step("timeout: 1s").resources.gpu, std::nullopt);
}

TEST(Rules, OfProcessesAreNumbersThatCount) {
  const Step two = step("nodes: 2, processes: '${{ params.n }}'");
  EXPECT_EQ(two.processes.count(), 6);
  EXPECT_EQ(two.params.count("n"), 1U);
  EXPECT_EQ(step("timeout: 1s").processes.count(), 1);
  for (const char* wrong : {"processes: 0", "nodes: 65", "processes: many", "nodes: '${{ params.n }}00'"}) {
    EXPECT_THROW(step(wrong), SpecError) << wrong;
  }
}

TEST(Rules, DoNotMakeAParamOneThatTheStepUses) {
  EXPECT_TRUE(step("retry: '${{ params.n }}', resources: { cpu: '${{ params.n }}' }, if: params.n > 1")
                  .params.empty());
}

TEST(Rules, NameSecretsAndTools) {
  const Step one = step("env: { TOKEN: '${{ secrets.HOOK }}', PLAIN: x }, tools: [python3]");
  ASSERT_EQ(one.secrets.size(), 1U);
  EXPECT_EQ(one.secrets.front().variable, "TOKEN");
  EXPECT_EQ(one.secrets.front().secret, "HOOK");
  EXPECT_EQ(one.environment, (std::map<std::string, std::string>{{"PLAIN", "x"}}));
  ASSERT_EQ(one.tools.size(), 1U);
  EXPECT_EQ(one.tools.front().name, "python3");
}

}  // namespace
}  // namespace mlpipe
