#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/containers/image_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// All of the pipeline is compiled again for it, which takes minutes, so it is built where that is asked for.
class OrchestratorImage : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    if (!IsSkipped() && std::getenv("MLPIPE_TEST_ORCHESTRATOR") == nullptr) {
      GTEST_SKIP() << "it compiles for 5 minutes: set MLPIPE_TEST_ORCHESTRATOR=1";
    }
  }

  // With a program that stands for kubectl: the real one comes from a registry.
  std::string orchestrator() const {
    const TemporaryDirectory folder;
    const std::string tag = "mlpipe-test-kubectl";
    write_file_atomically(folder.path() / "kubectl", "#!/bin/sh\necho \"it is $0 $*\"\n", 0755);
    write_file_atomically(folder.path() / "Dockerfile", "FROM scratch\nCOPY kubectl /bin/kubectl\n");
    engine().ask({"build", "--quiet", "--tag", tag, folder.path().string()});
    return image("orchestrator", {"KUBECTL_IMAGE=" + tag});
  }
};

TEST_F(OrchestratorImage, IsConfiguredForAnyEngineAndMissesNothing) {
  const std::string tag = orchestrator();
  expect_safe_configuration(inspect(tag).at("Config"), "SIGTERM");
  const std::set<std::string> all = files(tag);
  for (const std::string program :
       {"mlpipe", "mlpipe-archive", "mlpipe-fetch", "mlpipe-kubernetes", "mlpipe-registry"}) {
    EXPECT_TRUE(all.contains("usr/local/bin/" + program)) << program;
    EXPECT_EQ(missing_libraries(tag, "/usr/local/bin/" + program), Arguments{}) << program;
  }
  EXPECT_TRUE(all.contains("etc/ssl/certs/ca-certificates.crt"));
  EXPECT_FALSE(all.contains("usr/bin/g++"));
  EXPECT_EQ(run(tag, {}, {"kubectl", "version"}).output, "it is /usr/local/bin/kubectl version\n");
}

TEST_F(OrchestratorImage, RunsAPipelineAndKeepsItsStoreInAVolume) {
  const TemporaryDirectory root;
  for (const char* folder : {"project", "store"}) {
    fs::create_directories(root.path() / folder);
  }
  write_file_atomically(root.path() / "project/pipeline.yaml",
                        "name: small\nsteps:\n  one: { run: echo done > out, outs: [out] }\n");
  const Arguments mounts = {"--network=none", fmt::format("--user={}:{}", ::getuid(), ::getgid()),
                            fmt::format("--volume={}:/project", (root.path() / "project").string()),
                            fmt::format("--volume={}:/store", (root.path() / "store").string())};
  const Arguments command = {"mlpipe", "run", "/project/pipeline.yaml"};
  const Captured first = run(orchestrator(), mounts, command);
  EXPECT_TRUE(first.ending.succeeded()) << first.output << first.error;
  const Captured second = run(orchestrator(), mounts, command);
  EXPECT_NE(second.error.find("nothing changed: 1 step cached"), std::string::npos)
      << second.output << second.error;
}

}  // namespace
}  // namespace mlpipe
