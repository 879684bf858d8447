// A canary on the local target: one server that shares requests out over two releases.
#include <csignal>
#include <thread>

#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

class CanaryProject : public ServingProject {
 public:
  explicit CanaryProject(const std::string& canary) {
    replace("pipeline.yaml", "port: 0", "port: 0, strategy: { canary: " + canary + " }");
  }

  std::string address() const { return status_of(*this).at("address"); }
  std::size_t versions_loaded() const { return admin_state(*this).at("models").at(0).at("versions").size(); }
};

TEST(Canary, GetsItsShareAndThenAll) {
  CanaryProject project(
      "{ steps: [{ weight: 20 }, { pause: 500ms }, { weight: 60 }], abort-if: [error_rate > 0.01], "
      "min-requests: 20 }");
  EXPECT_TRUE(has_not(project.run("red").error, "of the traffic"));
  RestlessClient client(project.address());
  client.wait_for_answers(20);
  const Captured rolled = project.run("green");
  EXPECT_TRUE(has(rolled.error, "tiny:2 gets 20 % of the traffic"));
  EXPECT_TRUE(has(rolled.error, "tiny:2 gets 60 % of the traffic"));
  EXPECT_TRUE(has(rolled.error, "✓ prod serves tiny:2"));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(client.answers().size(), 2U);
  EXPECT_EQ(project.versions_loaded(), 1U);
  EXPECT_TRUE(has(project.mlpipe({"run", "--set", "color=green"}).error, "nothing changed"));
}

TEST(Canary, ThatIsWorseIsTakenBack) {
  CanaryProject project("{ steps: [{ weight: 20 }], abort-if: [p99 > 0 * current.p99], min-requests: 20 }");
  project.run("red");
  RestlessClient client(project.address());
  client.wait_for_answers(20);
  const Captured failed = project.run("green", 1);
  EXPECT_TRUE(
      has(failed.error, "the rollout failed: at 20 % of the traffic: p99 > 0 * current.p99: p99 is "));
  EXPECT_TRUE(has(failed.error, "✓ prod serves tiny:1"));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(project.versions_loaded(), 1U);
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "red");
  EXPECT_EQ(status_of(project).at("version"), 1);
}

TEST(Canary, WithoutTrafficIsProbed) {
  CanaryProject project("{ steps: [{ weight: 1 }], abort-if: [p99 > 1000 * current.p99], min-requests: 50 }");
  project.run("red");
  project.run("green");
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "green");
}

TEST(Canary, WithoutTrafficCanBeToldToEnd) {
  CanaryProject project(
      "{ steps: [{ weight: 1 }], abort-if: [error_rate > 0.5], min-requests: 50, on-no-data: abort }");
  project.run("red");
  const Captured failed = project.run("green", 1);
  EXPECT_TRUE(has(failed.error, "50 requests wanted for each release, seen 0"));
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "red");
}

TEST(Canary, OfAKilledRunIsTakenUpByTheNext) {
  CanaryProject project("{ steps: [{ weight: 20 }, { pause: 60s }] }");
  project.run("red");
  Background rolling = project.start({"run", "--set", "color=green"});
  wait_until("the candidate has its share", [&] { return project.versions_loaded() == 2; });
  rolling.signal(SIGKILL);
  rolling.wait();
  EXPECT_TRUE(has(status_of(project).at("fault"), "a rollout was cut off: releases 1 and 2 are loaded"));
  // What the pipeline asks for now is what serves already: the candidate goes.
  EXPECT_TRUE(has(project.run("red").error, "✓ prod serves tiny:1"));
  EXPECT_EQ(project.versions_loaded(), 1U);
  EXPECT_FALSE(status_of(project).contains("fault"));
}

TEST(Canary, EndsWithCtrlC) {
  CanaryProject project("{ steps: [{ weight: 20 }, { pause: 60s }] }");
  project.run("red");
  Background rolling = project.start({"run", "--set", "color=green"});
  wait_until("the candidate has its share", [&] { return project.versions_loaded() == 2; });
  rolling.signal(SIGINT);
  EXPECT_TRUE(exits(rolling.wait(), 130));
  EXPECT_EQ(project.versions_loaded(), 1U);
  EXPECT_EQ(status_of(project).at("version"), 1);
}

}  // namespace
}  // namespace mlpipe
