// The target that serves from containers, on each engine that is there.
#include "pipeline/deploy/container_target.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include "pipeline/deploy/http.hpp"
#include "pipeline/deploy/rollout.hpp"
#include "pipeline/spec/expression.hpp"
#include "tests/containers/serving_image.hpp"
#include "tests/functional/serving.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Phase = Rollout::Phase;

Strategy canary(const std::string& term, int min_requests) {
  Strategy strategy;
  strategy.canary = true;
  strategy.steps = {{10, {}}, {std::nullopt, std::chrono::milliseconds(500)}, {50, {}}};
  strategy.abort_if = {{term, parse_expression(term)}};
  strategy.min_requests = min_requests;
  return strategy;
}

// A server that is not mlpipe's, nginx, finds what it answers in the model's folder.
constexpr const char* foreign_server = R"nginx(pid /tmp/foreign.pid;
events {{}}
http {{
  access_log off;
  default_type application/json;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server {{
    listen 9000;
    location = /v2/health/ready {{ return 200; }}
    location = /predict {{ return 200 '{{"prediction":"{0}"}}'; }}
    location = /v2/models/tiny/infer {{
      return 200 '{{"model_name":"tiny","outputs":[{{"name":"color","datatype":"BYTES","shape":[1],"data":["{0}"]}}]}}';
    }}
  }}
}}
)nginx";

class OnEngine : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    const ServingEngine& found = serving_engine(GetParam());
    if (found.image.empty()) {
      GTEST_SKIP() << found.why_not;
    }
    serving_.alias = "prod";
    serving_.port = 0;
    serving_.server_image = found.image;
    serving_.gateway_image = found.image;
    serving_.replicas = 2;
    serving_.model_in_image = false;
    for (const char* color : {"red", "green", "blue"}) {
      write_tiny_model(folder_.path() / color, color);
    }
  }
  void TearDown() override {
    if (!serving_engine(GetParam()).image.empty()) {
      target()->stop();
      EXPECT_TRUE(
          containers_labelled(engine(), container_label::deployment, ContainerFolder(place()).identity())
              .empty());
      EXPECT_FALSE(fs::exists(place()));
    }
  }

  const Engine& engine() const { return *serving_engine(GetParam()).engine; }
  fs::path place() const { return folder_.path() / "deployments" / "prod"; }
  static Programs programs() {
    Programs programs;
    programs.registry = MLPIPE_PROGRAMS "/mlpipe-registry";
    return programs;
  }
  std::unique_ptr<ContainerTarget> target() const {
    return std::make_unique<ContainerTarget>(engine(), programs(), place(), serving_);
  }
  ServedRelease release(const std::string& version, const std::string& color) const {
    const fs::path model = folder_.path() / color;
    return {version, digest_of(color), model};
  }
  Rollout roll(const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
               Strategy strategy = {}) const {
    RolloutOptions options;
    options.strategy = std::move(strategy);
    options.looked = [this](const Rollout& rollout, const Traffic&) { weights_.push_back(rollout.weight()); };
    Rollout rollout = roll_out(*target(), candidate, previous, options);
    EXPECT_EQ(rollout.failure(), "");
    return rollout;
  }
  std::string url() const { return target()->observe().address; }
  std::vector<Container> servers() const {
    return servers_of(engine(), ContainerFolder(fs::absolute(place())));
  }

  ContainerServing serving_;
  mutable std::vector<int> weights_;

 private:
  TemporaryDirectory folder_;
};

TEST_P(OnEngine, RollsFromReleaseToReleaseAndLosesNoRequest) {
  roll(release("1", "red"), std::nullopt);
  const ServingState state = target()->observe();
  EXPECT_TRUE(state.running);
  EXPECT_EQ(state.fault, "");
  EXPECT_EQ(state.version, "1");
  EXPECT_EQ(state.model, digest_of("red"));
  EXPECT_EQ(state.server, target()->wanted().server);
  EXPECT_EQ(state.shape, target()->wanted().shape);
  ASSERT_EQ(state.replicas.size(), 2U);
  EXPECT_EQ(state.replicas.front().weight, 100);

  RestlessClient client(url());
  client.wait_for_answers(20);
  roll(release("2", "green"), release("1", "red"));
  client.wait_for_answers(20);
  roll(release("1", "red"), release("2", "green"));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(client.answers().size(), 2U);
  EXPECT_EQ(servers().size(), 2U);
  EXPECT_EQ(url(), state.address);
}

TEST_P(OnEngine, AServerThatCrashedComesBackAndIsMissedByNobody) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  const std::string pid = engine().ask({"inspect", "--format", "{{.State.Pid}}", servers().front().name});
  ::kill(std::stoi(pid), SIGKILL);
  wait_until("it was started again", [&] {
    const Container server = servers().front();
    return server.runs() && server.restarts > 0;
  });
  client.wait_for_answers(200);
  client.stop();
  EXPECT_EQ(target()->observe().fault, "");
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
}

TEST_P(OnEngine, AServerThatWasKilledThroughTheEngineIsMissedByNobody) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  engine().ask({"kill", servers().back().name});
  client.wait_for_answers(200);
  if (GetParam() == EngineKind::docker) {  // it takes the kill for the wish that it stays so
    EXPECT_EQ(target()->observe().fault, "1 of 2 servers runs");
  }
  roll(release("1", "red"), std::nullopt);
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(target()->observe().fault, "");
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
}

TEST_P(OnEngine, ACanaryGetsItsShareAndThenAll) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  const Rollout rollout = roll(release("2", "green"), release("1", "red"), canary("error_rate > 0.01", 20));
  EXPECT_EQ(rollout.phase(), Phase::promoted);
  EXPECT_EQ(weights_.front(), 10);
  EXPECT_EQ(weights_.back(), 50);
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(answer_of(url()).at("prediction"), "green");
  EXPECT_EQ(servers().size(), 2U);
}

TEST_P(OnEngine, ACanaryThatIsWorseIsWithdrawn) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  const Rollout rollout =
      roll_out(*target(), release("2", "green"), release("1", "red"), {canary("p99 > 0 * current.p99", 20)});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "at 10 % of the traffic: p99 > 0 * current.p99: p99 is "));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(answer_of(url()).at("prediction"), "red");
  EXPECT_EQ(servers().size(), 2U);
}

TEST_P(OnEngine, WithoutTrafficACanaryIsProbed) {
  roll(release("1", "red"), std::nullopt);
  const Rollout rollout =
      roll(release("2", "green"), release("1", "red"), canary("p99 > 100 * current.p99", 30));
  EXPECT_EQ(rollout.phase(), Phase::promoted);
}

TEST_P(OnEngine, ACandidatesShareLapsesWhenNobodyRenewsIt) {
  roll(release("1", "red"), std::nullopt);
  {
    const auto killed = target();
    killed->bring_up(release("2", "green"));
    killed->weigh(release("2", "green"), release("1", "red"), 90);
  }
  const std::string address = url();
  EXPECT_TRUE(has(target()->observe().fault, "a rollout was cut off: servers of release 2 are left"));
  bool answered = false;
  for (int i = 0; i < 50; ++i) {
    answered = answered || answer_of(address).at("prediction") == "green";
  }
  EXPECT_TRUE(answered);
  int in_a_row = 0;
  wait_until("the share has lapsed", [&] {
    in_a_row = answer_of(address).at("prediction") == "red" ? in_a_row + 1 : 0;
    return in_a_row == 50;
  });
  roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(servers().size(), 2U);
}

TEST_P(OnEngine, AModelThatCannotBeLoadedLeavesTheOldOneServing) {
  roll(release("1", "red"), std::nullopt);
  ServedRelease broken = release("2", "green");
  write_file_atomically(broken.directory / "weights.safetensors", "nothing");
  const Rollout rollout = roll_out(*target(), broken, release("1", "red"), {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "the server of release 2 did not get ready: "));
  EXPECT_TRUE(has(rollout.failure(), "weights.safetensors"));
  EXPECT_EQ(answer_of(url()).at("prediction"), "red");
  EXPECT_EQ(servers().size(), 2U);
}

TEST_P(OnEngine, AModelCanBeInTheImage) {
  serving_.model_in_image = true;
  roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(answer_of(url()).at("prediction"), "red");
  engine().ask({"rmi", "--force", "mlpipe-model/prod:1"});
}

TEST_P(OnEngine, AServerThatIsNotMlpipesIsProbedAndRollsToo) {
  serving_.command = {"nginx", "-e", "stderr", "-c", "/model/server.conf", "-g", "daemon off;"};
  serving_.container_port = 9000;
  for (const char* color : {"red", "green"}) {
    write_file_atomically(release("", color).directory / "server.conf", fmt::format(foreign_server, color));
  }
  roll(release("1", "red"), std::nullopt);
  const auto probing = target();
  probing->bring_up(release("1", "red"));  // it is up, and found
  probing->probe(release("1", "red"), 20);
  RestlessClient client(url());
  client.wait_for_answers(20);
  roll(release("2", "green"), release("1", "red"));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(client.answers().size(), 2U);
}

TEST_P(OnEngine, AGpuWhereThereIsNoneIsSaid) {
  serving_.resources.gpu = 1;
  const Rollout rollout = roll_out(*target(), release("1", "red"), std::nullopt, {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "a GPU is asked for, and "));
}

TEST_P(OnEngine, APortInUseIsNamed) {
  roll(release("1", "red"), std::nullopt);
  TemporaryDirectory elsewhere;
  ContainerServing other = serving_;
  other.port = address_of(url()).port;
  ContainerTarget second(engine(), programs(), elsewhere.path() / "prod", other);
  const Rollout rollout = roll_out(second, release("1", "red"), std::nullopt, {});
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "starting the gateway at 127.0.0.1:" + std::to_string(*other.port)));
}

INSTANTIATE_TEST_SUITE_P(Engines, OnEngine, testing::Values(EngineKind::docker, EngineKind::podman),
                         [](const auto& each) { return std::string(name_of(each.param)); });

}  // namespace
}  // namespace mlpipe
