// How traffic moves to a release, and what happens when it cannot.
#include <csignal>

#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

std::string address(const Project& project) {
  return status_of(project).at("address");
}

pid_t parent_of(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  return std::stoi(stat.substr(stat.rfind(')') + std::string(") S ").size()));
}

TEST(Rollout, LosesNoRequest) {
  ServingProject project;
  const Captured first = project.run("red");
  EXPECT_TRUE(has(first.error, "✓ published tiny:1"));
  EXPECT_TRUE(has(first.error, "✓ prod serves tiny:1 at http://127.0.0.1:"));
  EXPECT_TRUE(has(first.error, "try: curl -s http://127.0.0.1:"));
  const std::string before = address(project);
  RestlessClient client(before);
  client.wait_for_answers(20);
  for (const char* color : {"green", "blue", "red", "green"}) {
    project.run(color);
    client.wait_for_answers(20);
  }
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(client.answers().size(), 3U);
  EXPECT_EQ(address(project), before);
  EXPECT_EQ(servers_of(project).size(), 1U);
}

TEST(Rollout, AModelThatTheServerCannotLoadLeavesTheOldOneServing) {
  ServingProject project;
  project.run("red");
  const std::vector<pid_t> servers = servers_of(project);
  RestlessClient client(address(project));
  client.wait_for_answers(20);

  const Captured failed = project.run("broken", 1);
  EXPECT_TRUE(has(failed.error, "prod  the rollout failed: the server could not load the new release: "));
  EXPECT_TRUE(has(failed.error, "weights.safetensors"));
  EXPECT_TRUE(has(failed.error, "prod serves tiny:1 at "));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(client.answers().size(), 1U);
  EXPECT_EQ(servers_of(project), servers);
  EXPECT_EQ(status_of(project).at("version"), 1);
  const Json releases = project.json({"models", "ls", "--json"});
  EXPECT_EQ(entry_of(releases, "version", 1).at("aliases"), Json::array({"prod"}));

  // It is tried again as long as it is asked for, and never counted twice.
  const Captured again = project.mlpipe({"run", "--set", "color=broken", "--json"});
  EXPECT_TRUE(exits(again, 1));
  EXPECT_EQ(Json::parse(again.output).at("serving").at("version"), 1);
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 2U);
  project.run("green");
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "green");
}

TEST(Rollout, AFirstModelThatCannotBeLoadedLeavesNothingBehind) {
  ServingProject project;
  const Captured failed = project.run("broken", 1);
  EXPECT_TRUE(has(failed.error, "the rollout failed: the server did not start"));
  EXPECT_TRUE(has(failed.error, "weights.safetensors"));
  EXPECT_TRUE(servers_of(project).empty());
  EXPECT_EQ(project.json({"models", "show", "tiny:1", "--json"}).at("aliases"), Json::array());
  const Json status = status_of(project);
  EXPECT_EQ(status.at("running"), false);
  EXPECT_EQ(status.at("phase"), "aborted");

  project.run("red");
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "red");
}

TEST(Rollout, AKilledServerComesBackWithTheSameModel) {
  ServingProject project;
  project.run("red");
  project.run("green");
  const std::string before = address(project);
  const std::vector<pid_t> servers = servers_of(project);
  ASSERT_EQ(servers.size(), 1U);
  ::kill(servers.front(), SIGKILL);
  wait_until("another server runs", [&] {
    const std::vector<pid_t> now = servers_of(project);
    return now.size() == 1 && now != servers;
  });
  // The agent holds the socket: a request waits there until the server is back.
  const Json answer = answer_of(before);
  EXPECT_EQ(answer.at("prediction"), "green");
  EXPECT_EQ(answer.at("version"), "2");
  wait_until("the admin port answers", [&] { return status_of(project).at("running") == true; });
  EXPECT_TRUE(has(project.mlpipe({"run", "--set", "color=green"}).error, "nothing changed"));
}

TEST(Rollout, ADeploymentThatIsGoneIsStartedAgainWithoutAJob) {
  ServingProject project;
  project.run("red");
  const std::vector<pid_t> servers = servers_of(project);
  const pid_t agent = parent_of(servers.at(0));
  ::kill(agent, SIGKILL);
  ::kill(servers.front(), SIGKILL);
  wait_until("both have ended", [&] { return !process_runs(agent) && servers_of(project).empty(); });
  EXPECT_EQ(status_of(project).at("running"), false);

  const Json plan = project.json({"plan", "--json"});
  EXPECT_EQ(plan.at("effects").at("rollout").at("action"), "start");
  EXPECT_EQ(plan.at("effects").at("rollout").at("reason"), "no server is running");
  project.run("red");
  EXPECT_EQ(project.runs("make"), 1U);
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "red");
}

TEST(Rollout, APortThatIsTakenIsNamed) {
  ServingProject one;
  one.run("red");
  const int port = address_of(address(one)).port;
  ServingProject other;
  other.replace("pipeline.yaml", "port: 0", "port: " + std::to_string(port));
  const Captured failed = other.run("green", 1);
  EXPECT_TRUE(has(failed.error, "the rollout failed: "));
  EXPECT_TRUE(has(failed.error, "127.0.0.1:" + std::to_string(port)));
  EXPECT_TRUE(has(failed.error, "ddress already in use"));
  EXPECT_TRUE(servers_of(other).empty());
  EXPECT_EQ(answer_of(address(one)).at("prediction"), "red");
}

TEST(Rollout, AnotherAddressStartsTheServerThere) {
  ServingProject project;
  project.run("red");
  project.replace("pipeline.yaml", "port: 0", "port: 0, host: 127.0.0.2");
  const Captured moved = project.run("red");
  EXPECT_TRUE(has(moved.error, "127.0.0.1:0 → 127.0.0.2:0"));
  EXPECT_EQ(project.runs("make"), 1U);
  EXPECT_TRUE(has(address(project), "http://127.0.0.2:"));
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "red");
  EXPECT_EQ(servers_of(project).size(), 1U);
}

TEST(Rollout, TwoPipelinesDoNotTakeEachOthersAlias) {
  ServingProject project;
  project.run("red");
  project.replace("pipeline.yaml", "name: tiny", "name: other");
  const Captured refused = project.mlpipe({"run"});
  EXPECT_TRUE(exits(refused, 2));
  EXPECT_TRUE(has(refused.error, "the alias 'prod' already serves the model 'tiny' from this store"));
  EXPECT_EQ(answer_of(address(project)).at("prediction"), "red");
}

}  // namespace
}  // namespace mlpipe
