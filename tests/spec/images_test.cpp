#include <gtest/gtest.h>

#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

Spec read(const std::string& text, const Adjustments& adjustments = {}) {
  return read_spec("/project/pipeline.yaml", parse_yaml("pipeline.yaml", text), adjustments);
}

// "line: message" of each.
std::vector<std::string> faults_of(const std::string& text, const Adjustments& adjustments = {}) {
  std::vector<std::string> faults;
  try {
    read(text, adjustments);
  } catch (const SpecError& error) {
    for (const Diagnostic& fault : error.diagnostics()) {
      faults.push_back(std::to_string(fault.line) + ": " + fault.message);
    }
  }
  return faults;
}

using Faults = std::vector<std::string>;

constexpr const char* digits = R"(name: digits
params: { device: cpu }
images:
  trainer: { dockerfile: docker/Dockerfile, context: docker/, args: { DEVICE: "${{ params.device }}" }, target: runtime }
  tools: { from: debian:bookworm-slim }
  unused: { dockerfile: ../outside }
steps:
  train: { run: train > model, outs: [model], deps: [data] }
  look: { run: look, image: tools, network: true }
  here: { run: date, runs-on: local, image: nowhere }
  data:
    fetch: { url: "http://h/data", sha256: 0000000000000000000000000000000000000000000000000000000000000000 }
model: { name: digits, from: "${{ steps.train.outs.model }}" }
deploy: { port: 9000 }
profiles:
  container: { runs-on: container, deploy: { target: container, replicas: 2 } }
  loud: { deploy: { port: 9001 } }
)";

const ImageSpec& image_of(const Spec& spec, const std::string& name) {
  return std::get<ImageAction>(spec.find_step(image_step(name))->action).image;
}

TEST(Images, OnlyThoseThatAreUsedBecomeSteps) {
  const Spec local = read(digits);
  EXPECT_EQ(local.find_step("images.trainer"), nullptr);
  EXPECT_EQ(local.find_step("train")->runs_on, RunsOn::local);
  EXPECT_EQ(local.find_step("train")->image, std::nullopt);

  const Spec spec = read(digits, {{"device=cuda"}, "container", {}});
  EXPECT_EQ(spec.step_names(), (std::vector<std::string>{"images.trainer", "train", "images.tools", "look",
                                                         "here", "data", "images.gateway", "images.server"}));
  EXPECT_EQ(spec.find_step("train")->image, (Input{"images.trainer", "image"}));
  EXPECT_EQ(spec.upstream(*spec.find_step("look")), std::vector<std::string>{"images.tools"});
  EXPECT_TRUE(spec.find_step("look")->network);
  EXPECT_EQ(spec.find_step("here")->runs_on, RunsOn::local);
  EXPECT_EQ(spec.find_step("data")->runs_on, RunsOn::local);

  const ImageSpec& trainer = image_of(spec, "trainer");
  EXPECT_EQ(trainer.kind, ImageSpec::Kind::dockerfile);
  EXPECT_EQ(trainer.dockerfile, "docker/Dockerfile");
  EXPECT_EQ(trainer.context, "docker");
  EXPECT_EQ(trainer.target, "runtime");
  EXPECT_EQ(trainer.args.at("DEVICE"), "cuda");
  EXPECT_EQ(spec.find_step("images.trainer")->params.at("device"), "cuda");
  EXPECT_EQ(spec.find_step("images.trainer")->kind(), "image");
  EXPECT_EQ(image_of(spec, "tools").reference, "debian:bookworm-slim");
  EXPECT_EQ(image_of(spec, "server").kind, ImageSpec::Kind::built_in);
  EXPECT_EQ(spec.deploy->image, (Input{"images.server", "image"}));
  EXPECT_EQ(spec.deploy->gateway_image, (Input{"images.gateway", "image"}));
  EXPECT_EQ(spec.deploy->replicas, 2);
}

TEST(Images, FaultsAreSaidAtTheirPlaces) {
  const std::string begin = "name: p\nruns-on: container\nsteps:\n  s: { run: x, image: a }\nimages:\n";
  EXPECT_EQ(faults_of(begin + "  a: { dockerfile: D, from: x }\n"),
            Faults{"6: image 'a' has dockerfile and from"});
  EXPECT_EQ(faults_of(begin + "  a: {}\n"), Faults{"6: nothing says what image 'a' is made from"});
  EXPECT_EQ(faults_of(begin + "  b: { from: x }\n"), Faults{"4: there is no image 'a'"});
  EXPECT_EQ(faults_of(begin + "  a: { dockerfile: /etc/passwd }\n"),
            Faults{"6: '/etc/passwd' is not inside the pipeline's folder"});
  EXPECT_EQ(faults_of(begin + "  a: { dockerfile: D, context: ../.. }\n"),
            Faults{"6: '../..' is not inside the pipeline's folder"});
  EXPECT_EQ(faults_of(begin + "  a: { from: x, target: y }\n"),
            Faults{"6: `target` belongs to an image that has a `dockerfile`"});
  EXPECT_EQ(faults_of(begin + "  a: { built-in: trainer, context: y }\n"),
            Faults{"6: `context` belongs to an image that has a `dockerfile`"});
  EXPECT_EQ(faults_of(begin + "  a: { dockerfile: D, secrets: { token: abc } }\n"),
            Faults{"6: expected ${{ secrets.NAME }}"});
  EXPECT_EQ(faults_of("name: p\nsteps:\n  s:\n    fetch: { url: \"http://h/x\", sha256: " +
                      std::string(64, '0') + " }\n    image: trainer\n"),
            Faults{"5: `image` belongs to `train` and `run` steps"});
}

TEST(Images, RunsOnOfTheCommandLineIsForAllSteps) {
  EXPECT_EQ(faults_of(digits, {{}, {}, "container"}), Faults{"10: there is no image 'nowhere'"});
  const std::string one = "name: p\nsteps:\n  s: { run: x }\n";
  EXPECT_EQ(read(one, {{}, {}, "container"}).find_step("s")->image, (Input{"images.trainer", "image"}));
  const std::string with_image = "name: p\nruns-on: container\nsteps:\n  s: { run: x, runs-on: container }\n";
  EXPECT_EQ(read(with_image, {{}, {}, "local"}).find_step("s")->runs_on, RunsOn::local);
  EXPECT_THROW(read(digits, {{}, {}, "moon"}), UsageError);
}

TEST(Profiles, MergeKeyByKeyAndAreCheckedUnused) {
  EXPECT_EQ(read(digits).deploy->port, 9000);
  EXPECT_EQ(read(digits, {{}, "loud", {}}).deploy->port, 9001);
  EXPECT_EQ(read(digits, {{}, "loud", {}}).deploy->target, "local");
  EXPECT_EQ(read(digits, {{}, "container", {}}).deploy->port, 9000);
  EXPECT_THROW(read(digits, {{}, "quiet", {}}), UsageError);
  const std::string one_step = "name: p\nsteps:\n  s: { run: x }\nprofiles:\n";
  EXPECT_EQ(faults_of(one_step + "  a: { stepz: {} }\n"), Faults{"5: unknown key 'stepz'"});
  EXPECT_EQ(faults_of(one_step + "  a: { deploy: { target: moon } }\n"),
            Faults{"5: expected one of local, container, kubernetes, found 'moon'"});
  EXPECT_EQ(faults_of(one_step + "  a: { profiles: {} }\n"), Faults{"5: unknown key 'profiles'"});
}

TEST(Deploy, ReadsACanary) {
  const std::string text = R"(name: p
steps: { s: { run: x, outs: [m] } }
model: { name: m, from: "${{ steps.s.outs.m }}" }
deploy:
  target: container
  command: [serve, --all]
  container-port: 9000
  model: mounted
  resources: { memory: 1Gi, cpu: 2 }
  strategy:
    canary:
      steps: [{ weight: 10 }, { pause: 30s }, { weight: 50 }]
      abort-if: [error_rate > 0.01, p99 > 1.5 * current.p99]
      min-requests: 200
      on-no-data: hold
)";
  const DeploySpec deploy = *read(text).deploy;
  ASSERT_TRUE(deploy.strategy.canary);
  ASSERT_EQ(deploy.strategy.steps.size(), 3U);
  EXPECT_EQ(deploy.strategy.steps[0].weight, 10);
  EXPECT_EQ(deploy.strategy.steps[1].pause, std::chrono::seconds(30));
  EXPECT_EQ(deploy.strategy.abort_if[1].text, "p99 > 1.5 * current.p99");
  EXPECT_EQ(deploy.strategy.min_requests, 200);
  EXPECT_EQ(deploy.strategy.on_no_data, Strategy::OnNoData::hold);
  EXPECT_EQ(deploy.command, (std::vector<std::string>{"serve", "--all"}));
  EXPECT_EQ(deploy.container_port, 9000);
  EXPECT_FALSE(deploy.model_in_image);
  EXPECT_EQ(deploy.resources.memory, 1ULL << 30U);
}

TEST(Deploy, RefusesACanaryThatMakesNoSense) {
  const auto canary = [](const std::string& keys) {
    return "name: p\nsteps: { s: { run: x, outs: [m] } }\nmodel: { name: m, from: \"${{ steps.s.outs.m }}\" "
           "}\n"
           "deploy:\n  strategy: { canary: { " +
           keys + " } }\n";
  };
  EXPECT_EQ(faults_of(canary("steps: [{ weight: 50 }, { weight: 10 }]")),
            Faults{"5: the weight before was 50, and this is 10"});
  EXPECT_EQ(faults_of(canary("steps: [{ pause: 3s }]")),
            Faults{"5: there is nothing to watch before the first weight"});
  EXPECT_EQ(faults_of(canary("steps: []")), Faults{"5: a canary has at least one step"});
  EXPECT_EQ(faults_of(canary("steps: [{ weight: 5 }], abort-if: [errors > 1]")),
            Faults{"5: there is no 'errors'"});
  EXPECT_EQ(
      faults_of("name: p\nsteps: { s: { run: x, outs: [m] } }\nmodel: { name: m, from: \"${{ steps.s.outs.m "
                "}}\" }\ndeploy: { replicas: 2 }\n"),
      Faults{"4: the target `local` is one server"});
}

}  // namespace
}  // namespace mlpipe
