#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "pipeline/deploy/containers.hpp"
#include "pipeline/deploy/gateway.hpp"
#include "pipeline/deploy/gateway_configuration.hpp"
#include "pipeline/deploy/traffic_log.hpp"
#include "pipeline/deploy/version_counts.hpp"

namespace mlpipe {
namespace {

TEST(TrafficLog, CountsWhatEachServerAnsweredAndWhatAnotherMadeGood) {
  const TemporaryDirectory folder;
  std::ofstream file(folder.path() / "requests");
  file << "10.1.0.16:8080|200|0.010\n"
          "10.1.0.16:8080, 10.1.0.18:8080|502, 200|0.000, 0.020\n"
          "10.1.0.18:8080|400|0.030\n"
          "10.1.0.16:8080|-|-\n"  // the client was gone
          "10.9.0.1:8080|200|0.010\n"
          "10.1.0.16:80"
       << std::flush;
  TrafficLog log(folder.path() / "requests", {"10.1.0.16:8080"}, {"10.1.0.18:8080"});
  Traffic traffic = log.read();
  EXPECT_EQ(traffic.candidate.requests, 2U);
  EXPECT_EQ(traffic.candidate.errors, 1U);
  EXPECT_DOUBLE_EQ(traffic.candidate.error_rate(), 0.5);
  EXPECT_DOUBLE_EQ(traffic.candidate.p99.value(), 0.010);
  EXPECT_EQ(traffic.current.requests, 2U);
  EXPECT_EQ(traffic.current.errors, 0U);
  EXPECT_DOUBLE_EQ(traffic.current.p50.value(), 0.020);
  EXPECT_DOUBLE_EQ(traffic.current.p99.value(), 0.030);
  file << "80|500|0.001\n" << std::flush;
  traffic = log.read();
  EXPECT_EQ(traffic.candidate.requests, 3U);
  EXPECT_EQ(traffic.candidate.errors, 2U);
}

TEST(TrafficLog, OfAFileThatIsNotThereIsNothing) {
  TrafficLog log("/nowhere/at/all", {}, {});
  EXPECT_EQ(log.read().candidate.requests, 0U);
  EXPECT_FALSE(log.read().candidate.p99);
}

TEST(VersionCounts, SayWhatCameSince) {
  const auto state = [](int requests, int errors, const nlohmann::json& latencies) {
    return nlohmann::json{
        {"models",
         {{{"name", "m"},
           {"versions",
            {{{"version", "2"}, {"requests", requests}, {"errors", errors}, {"latencies", latencies}}}}}}}};
  };
  const VersionCounts before = counts_in(state(10, 1, {{0.010, 10}}), "2");
  const VersionCounts now = counts_in(state(110, 6, {{0.010, 60}, {0.020, 48}, {0.5, 2}}), "2");
  const Observation observation = now.since(before);
  EXPECT_EQ(observation.requests, 105U);
  EXPECT_EQ(observation.errors, 5U);
  EXPECT_DOUBLE_EQ(observation.p50.value(), 0.010);
  EXPECT_DOUBLE_EQ(observation.p99.value(), 0.5);
  EXPECT_FALSE(counts_in(state(1, 0, {}), "3").since({}).p50);
}

TEST(Containers, AreReadFromDockerAndFromPodman) {
  const std::vector<Container> docker = parse_containers(
      R"([{"Id": "a1", "Name": "/two", "RestartCount": 2, "Config": {"Labels": {"mlpipe.set": "v1"}},
           "State": {"Status": "running", "OOMKilled": false, "Health": {"Status": "unhealthy"}},
           "NetworkSettings": {"Ports": {"8081/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}],
                                         "8080/tcp": null}}},
          {"Id": "a2", "Name": "/one", "Config": {"Labels": null}, "State": {"Status": "exited", "OOMKilled": true}}])");
  ASSERT_EQ(docker.size(), 2U);
  EXPECT_EQ(docker[0].name, "one");
  EXPECT_TRUE(docker[0].out_of_memory);
  EXPECT_FALSE(docker[0].runs());
  EXPECT_EQ(docker[1].restarts, 2);
  EXPECT_EQ(docker[1].health, "unhealthy");
  EXPECT_EQ(docker[1].label("mlpipe.set"), "v1");
  EXPECT_EQ(docker[1].label("mlpipe.role"), "");
  EXPECT_EQ(docker[1].ports, (std::map<int, int>{{8081, 32768}}));
  const std::vector<Container> podman = parse_containers(
      R"([{"Id": "b", "Name": "three", "State": {"Status": "running", "Healthcheck": {"Status": ""}}}])");
  EXPECT_TRUE(podman.at(0).runs());
  EXPECT_THROW(parse_containers("no"), Error);
}

TEST(GatewayConfiguration, ACandidateHasAShareOnlyWhileItsLeaseHolds) {
  Routes routes;
  routes.generation = "7";
  routes.token = "secret";
  routes.subnet = "10.1.0.";
  routes.serving = {"10.1.0.16", "10.1.0.17"};
  const std::string rolling = gateway_configuration(routes);
  EXPECT_NE(rolling.find("server 10.1.0.17:8080 max_fails=1"), std::string::npos);
  EXPECT_EQ(rolling.find("lease"), std::string::npos);
  EXPECT_EQ(rolling.find("access_log /"), std::string::npos);
  routes.candidate = {"10.1.0.18"};
  routes.weight = 10;
  routes.traffic_log = "requests-7";
  const std::string canary = gateway_configuration(routes);
  EXPECT_NE(canary.find("10% candidate; * serving;"), std::string::npos);
  EXPECT_NE(canary.find("if (-f /etc/mlpipe-gateway/lease/$ten_seconds)"), std::string::npos);
  EXPECT_NE(canary.find("server 10.1.0.16:8080 backup"), std::string::npos);
  EXPECT_NE(canary.find("access_log /var/lib/mlpipe-gateway/requests-7"), std::string::npos);
  EXPECT_EQ(lease_name(1'795'000'000), "2026-11-18T11:06:4");
}

TEST(Placement, OnPodmanTheHardwareAddressFollowsFromTheOther) {
  using Arguments = std::vector<std::string>;
  EXPECT_EQ(placement(EngineKind::docker, "net", "10.89.0.17"),
            (Arguments{"--network", "net", "--ip", "10.89.0.17"}));
  EXPECT_EQ(placement(EngineKind::podman, "net", "10.89.0.17"),
            (Arguments{"--network", "net", "--ip", "10.89.0.17", "--mac-address", "02:42:0a:59:00:11"}));
}

}  // namespace
}  // namespace mlpipe
