#include "pipeline/container/run_arguments.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr const char* always =
    "run|--rm|--interactive|--pull=never|--log-driver=none|--name|job|--hostname=mlpipe|--cap-drop=ALL|"
    "--security-opt=no-new-privileges|--security-opt=label=disable|--read-only|--tmpfs|/tmp:exec,mode=1777|"
    "--tmpfs|/var/tmp:exec,mode=1777|--tmpfs|/run:exec,mode=1777|--user|1000:100|";

ContainerRun plain() {
  ContainerRun run;
  run.image = "sha256:3f";
  run.name = "job";
  run.user = "1000:100";
  run.command = {"/agent", "--inside", "a b"};
  return run;
}

std::string line_of(const ContainerRun& run) {
  return join(run_arguments(run), "|");
}

TEST(RunArguments, TakeEverythingAwayThatWasNotAskedFor) {
  EXPECT_EQ(line_of(plain()),
            always + std::string("--network=none|--workdir|/|--entrypoint|/agent|sha256:3f|--inside|a b"));
}

TEST(RunArguments, GiveWhatWasAskedFor) {
  ContainerRun run = plain();
  run.network = true;
  run.cpu = 1500;
  run.memory = 1 << 20;
  run.shared_memory = 1 << 19;
  run.gpus = {"0"};
  run.labels = {{"mlpipe.step", "a=b"}};
  run.mounts = {{"/from", "/to", false}, {"/from, with \"this\"", "/there", true}};
  EXPECT_EQ(line_of(run),
            always + std::string("--cpus|1.500|--memory|1048576|--memory-swap|1048576|--shm-size|524288|"
                                 "--gpus|device=0,\"capabilities=compute,utility\"|"
                                 "--label|mlpipe.step=a=b|--mount|type=bind,source=/from,target=/to,readonly|"
                                 "--mount|type=bind,\"source=/from, with \"\"this\"\"\",target=/there|"
                                 "--workdir|/|--entrypoint|/agent|sha256:3f|--inside|a b"));
}

TEST(RunArguments, MountAsPodmanReadsIt) {
  ContainerRun run = plain();
  run.engine = EngineKind::podman;
  run.mounts = {{"/from", "/lr=1,width=2", false}, {"/from", "/to", true}, {"/a:b", "/to", false}};
  EXPECT_NE(line_of(run).find("|--volume|/from:/lr=1,width=2:ro|--volume|/from:/to|"
                              "--mount|type=bind,source=/a:b,target=/to,readonly|"),
            std::string::npos)
      << line_of(run);
}

TEST(RunArguments, NameGpusAsEachEngineDoes) {
  ContainerRun run = plain();
  run.gpus = {"0", "GPU-3f"};
  EXPECT_NE(line_of(run).find("|--gpus|\"device=0,GPU-3f\",\"capabilities=compute,utility\"|"),
            std::string::npos)
      << line_of(run);
  run.engine = EngineKind::podman;
  run.keep_user_namespace = true;
  EXPECT_NE(line_of(run).find(
                "|--userns=keep-id|--network=none|--device|nvidia.com/gpu=0|--device|nvidia.com/gpu=GPU-3f|"),
            std::string::npos)
      << line_of(run);
}

}  // namespace
}  // namespace mlpipe
