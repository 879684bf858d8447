#include "pipeline/container/engine.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Programs of the engines' names that answer as they are told.
class Engines : public testing::Test {
 protected:
  void install(const std::string& name, const std::string& script) {
    write_file_atomically(folder_.path() / name, "#!/bin/sh\n" + script, 0755);
  }
  Environment environment(Environment more = {}) const {
    more.emplace("PATH", folder_.path().string());
    return more;
  }
  std::string message_of(const Engine& engine, std::vector<std::string> arguments) const {
    try {
      return "answered: " + engine.ask(std::move(arguments));
    } catch (const Error& error) {
      return error.what() + std::string("|") + error.hint();
    }
  }

  TemporaryDirectory folder_;
};

TEST_F(Engines, OneIsFoundByNameVariableAndWhatIsSetUp) {
  EXPECT_THROW(Engine::find("", environment()), Error);
  install("podman", "exit 0\n");
  EXPECT_EQ(Engine::find("", environment()).kind(), EngineKind::podman);
  install("docker", "exit 0\n");
  EXPECT_EQ(Engine::find("", environment({{"DOCKER_HOST", "unix:///x"}})).kind(), EngineKind::docker);
  EXPECT_EQ(Engine::find("", environment({{"DOCKER_HOST", "unix:///x"}, {"MLPIPE_ENGINE", "podman"}})).kind(),
            EngineKind::podman);
  EXPECT_EQ(Engine::find("docker", environment({{"MLPIPE_ENGINE", "podman"}})).kind(), EngineKind::docker);
  EXPECT_THROW(Engine::find("rkt", environment()), UsageError);
}

TEST_F(Engines, AFailureCarriesTheEnginesOwnWordsAndWhatToDo) {
  install("docker", "echo \"$2\"; echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit $1\n");
  const Engine engine = Engine::find("docker", environment());
  EXPECT_EQ(message_of(engine, {"0", "a b; c"}), "answered: a b; c");
  EXPECT_EQ(
      message_of(engine, {"1", "x"}),
      "docker 1: Cannot connect to the Docker daemon at unix:///x.|start the engine, or say where it is "
      "(`docker info` must work); MLPIPE_ENGINE chooses another");
}

TEST_F(Engines, AnImageThatIsNotThereIsNotAFailure) {
  install("docker", R"(test "$5" = -- || exit 9
case $6 in
  there) echo sha256:12;;
  gone) echo 'Error: No such image: gone' >&2; exit 1;;
  *) echo 'Cannot connect' >&2; exit 1;;
esac
)");
  install("podman", "echo 34\n");
  const Engine engine = Engine::find("docker", environment());
  EXPECT_EQ(engine.image_id("there"), "sha256:12");
  EXPECT_EQ(engine.image_id("gone"), std::nullopt);
  EXPECT_THROW(engine.image_id("other"), Error);
  EXPECT_EQ(Engine::find("podman", environment()).image_id("x"), "sha256:34");
}

TEST_F(Engines, OnlyWhatSaysWhereItIsGoesToOthersWhoCallIt) {
  install("docker", "exit 0\n");
  const Engine engine = Engine::find(
      "docker", environment({{"DOCKER_HOST", "unix:///x"}, {"HOME", "/h"}, {"SECRET", "s"}, {"XDG_A", "a"}}));
  EXPECT_EQ(engine.environment(),
            environment({{"DOCKER_HOST", "unix:///x"}, {"HOME", "/h"}, {"XDG_A", "a"}}));
}

}  // namespace
}  // namespace mlpipe
