#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/container/engine.hpp"

namespace mlpipe {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

// A container that runs beside the test; removed at its end.
class RunningContainer {
 public:
  // `docker run --detach MORE… IMAGE COMMAND…`, as tightly as mlpipe itself runs what it deploys: a root that
  // cannot be written, no capability, no new privileges, and a published port 8080.
  RunningContainer(const Engine& engine, const std::string& image, Arguments more = {},
                   Arguments command = {});
  RunningContainer(const RunningContainer&) = delete;
  RunningContainer& operator=(const RunningContainer&) = delete;
  ~RunningContainer();

  const std::string& id() const { return id_; }
  // Where its port is published on 127.0.0.1.
  int port(int of_container = 8080) const;
  // Runs a program in it.
  Captured execute(Arguments command) const;
  void signal(const std::string& name) const;
  // Asks it to stop as the engine does, and returns its exit status.
  int stop() const;
  std::string log() const;
  // Waits until `GET path` is answered with 200; throws with the log when it never is.
  void wait_until_it_answers(const std::string& path) const;

 private:
  const Engine& engine_;
  std::string id_;
};

// The images of containers/, built once by this process with the engine of the environment.
// $MLPIPE_TEST_BUILD_BASE says what they are built on, where a build needs more than debian:bookworm-slim has
// (a certificate of the network's proxy). Where there is no engine, the tests are skipped.
class ImageTest : public testing::Test {
 protected:
  void SetUp() override;

  const Engine& engine() const { return *engine_; }
  // Builds containers/NAME.Dockerfile unless this process has; returns the image's tag.
  std::string image(const std::string& name, const Arguments& more = {}) const;
  // What `image inspect` says.
  Json inspect(const std::string& image) const;
  // The paths of all files in the image's root, without a '/' before them.
  std::set<std::string> files(const std::string& image) const;
  // What the loader does not find for a program of the image, which need not have a shell for that.
  std::vector<std::string> missing_libraries(const std::string& image, const std::string& program) const;
  // Runs a command in a container of its own to its end, as tightly as RunningContainer.
  Captured run(const std::string& image, Arguments more, Arguments command) const;

  void expect_safe_configuration(const Json& config, const std::string& stop_signal) const;

 private:
  std::optional<Engine> engine_;
};

}  // namespace mlpipe
