// What a gate holds back, and what it says.
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

std::string address(const Project& project) {
  return status_of(project).at("address");
}

TEST(Gate, AMissIsExplainedAndUsesUpNoVersion) {
  ServingProject project("accuracy >= 0.9");
  project.run("red", 0, "0.95");
  const Json before = admin_state(project);
  const std::vector<pid_t> servers = servers_of(project);

  const Captured missed = project.run("green", 1, "0.85");
  EXPECT_TRUE(has(missed.error, "gate  accuracy >= 0.9: not published\n"));
  EXPECT_TRUE(has(missed.error, "accuracy is 0.85, wanted >= 0.9: short by 0.05\n"));
  EXPECT_TRUE(has(missed.error, "prod serves tiny:1 at "));
  EXPECT_EQ(servers_of(project), servers);
  EXPECT_EQ(admin_state(project), before);
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "red");
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 1U);

  const Captured report = project.mlpipe({"run", "--set", "color=green", "--set", "accuracy=0.85", "--json"});
  EXPECT_TRUE(exits(report, 1));
  const Json json = Json::parse(report.output);
  EXPECT_EQ(json.at("outcome"), "failed");
  EXPECT_EQ(json.at("gate").at("unmet"), Json::array({"accuracy is 0.85, wanted >= 0.9: short by 0.05"}));
  EXPECT_EQ(json.at("serving").at("version"), 1);
  EXPECT_FALSE(json.contains("release"));
  EXPECT_EQ(project.runs("make"), 2U) << "the job was run again for its gate";

  project.run("blue", 0, "0.9");
  EXPECT_EQ(project.json({"models", "ls", "--json"}).back().at("version"), 2);
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "blue");
}

TEST(Gate, HoldsBackTheFirstReleaseToo) {
  ServingProject project("accuracy >= 0.9");
  const Captured missed = project.run("red", 1, "0.5");
  EXPECT_TRUE(has(missed.error, "short by 0.4"));
  EXPECT_TRUE(has_not(missed.error, "serves"));
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U);
  EXPECT_TRUE(servers_of(project).empty());
  EXPECT_EQ(project.json({"status", "--json"}).size(), 0U);
}

TEST(Gate, CurrentIsWhatServesNow) {
  ServingProject project("accuracy >= current.accuracy - 0.02");
  project.run("red", 0, "0.5");  // there is none yet
  project.run("green", 0, "0.9");
  const Captured missed = project.run("blue", 1, "0.87");
  EXPECT_TRUE(has(missed.error, "accuracy is 0.87, wanted >= 0.88 (current.accuracy - 0.02): short by 0.01"));
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "green");
  project.run("blue", 0, "0.885");
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "blue");
}

TEST(Gate, SaysEveryTermThatIsMissed) {
  ServingProject project("accuracy >= 0.9 and accuracy < 0.3 and accuracy > 0.1 and check.errors <= 2");
  project.replace("pipeline.yaml", "model:\n", R"(  check:
    run: |
      test -f ${{ steps.make.outs.model }}/model.yaml
      echo '{"errors": 5}' > check.json
    metrics: [check.json]
model:
)");
  const Captured missed = project.run("red", 1, "0.5");
  EXPECT_TRUE(has(missed.error, "accuracy is 0.5, wanted >= 0.9: short by 0.4\n"));
  EXPECT_TRUE(has(missed.error, "accuracy is 0.5, wanted < 0.3: over by 0.2\n"));
  EXPECT_TRUE(has(missed.error, "check.errors is 5, wanted <= 2: over by 3\n"));
  EXPECT_TRUE(has_not(missed.error, "> 0.1: short"));
}

TEST(Gate, AMetricThatNobodyReportsHoldsBack) {
  ServingProject project("accurracy >= 0.9");
  const Captured missed = project.run("red", 1);
  EXPECT_TRUE(has(missed.error, "the metric 'accurracy'"));
  EXPECT_TRUE(has(missed.error, "did you mean 'accuracy'?"));
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U);
}

TEST(Gate, AFailedCheckHoldsBack) {
  ServingProject project;
  project.replace("pipeline.yaml", "model:\n", R"(  check:
    run: grep -q red ${{ steps.make.outs.model }}/model.yaml && test ${{ params.color }} != green
model:
)");
  project.run("red");
  const Captured failed = project.run("green", 1);
  EXPECT_TRUE(has(failed.error, "✗ check  exit status 1"));
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 1U);
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "red");
}

}  // namespace
}  // namespace mlpipe
