#include "pipeline/exec/container_host.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace mlpipe {
namespace {

ContainerHost host_of(EngineKind kind, bool rootless) {
  return {Engine(kind, "/usr/bin/engine", {}), rootless, false};
}

std::string own_ids() {
  return std::to_string(::geteuid()) + ":" + std::to_string(::getegid());
}

TEST(ContainerHost, GivesAStepWhatItAsksFor) {
  Step step;
  step.name = "train[lr=0.1]";
  step.network = true;
  step.resources.memory = 1000;
  step.resources.cpu = 1500;
  const JobContainer container =
      container_of(step, host_of(EngineKind::docker, false), "sha256:3f", {"1"}, "/store/jobs/a");
  EXPECT_EQ(container.engine_program, "/usr/bin/engine");
  EXPECT_EQ(container.run.image, "sha256:3f");
  EXPECT_EQ(container.run.user, own_ids());
  EXPECT_TRUE(container.run.network);
  EXPECT_EQ(container.run.memory, 1000U);
  EXPECT_EQ(container.run.shared_memory, 500U);
  EXPECT_EQ(container.run.cpu, 1500);
  EXPECT_EQ(container.run.gpus, std::vector<std::string>{"1"});
  EXPECT_EQ(container.run.labels.at("mlpipe.step"), "train[lr=0.1]");
  EXPECT_EQ(container.run.labels.at("mlpipe.job"), "/store/jobs/a");
}

TEST(ContainerHost, NamesOneContainerForOneJob) {
  Step step;
  step.name = "-train[lr=0.1]é";
  const ContainerHost host = host_of(EngineKind::docker, false);
  const std::string name = container_of(step, host, "", {}, "/store/jobs/a").run.name;
  EXPECT_TRUE(name.starts_with("mlpipe--train_lr_0.1___-")) << name;
  EXPECT_EQ(container_of(step, host, "", {}, "/store/jobs/a").run.name, name);
  EXPECT_NE(container_of(step, host, "", {}, "/other/jobs/a").run.name, name) << "another store's";
}

TEST(ContainerHost, RunsJobsAsTheCallingUserWhateverTheEngineRunsAs) {
  const Step step;
  const auto run_on = [&](EngineKind kind, bool rootless) {
    return container_of(step, host_of(kind, rootless), "", {}, "/job").run;
  };
  EXPECT_EQ(run_on(EngineKind::docker, false).user, own_ids());
  EXPECT_EQ(run_on(EngineKind::docker, true).user, "0:0");
  EXPECT_EQ(run_on(EngineKind::podman, true).user, own_ids());
  EXPECT_TRUE(run_on(EngineKind::podman, true).keep_user_namespace);
  EXPECT_FALSE(run_on(EngineKind::podman, false).keep_user_namespace);
}

}  // namespace
}  // namespace mlpipe
