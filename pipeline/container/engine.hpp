#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

enum class EngineKind { docker, podman };

const char* name_of(EngineKind kind);

// A container engine, asked through its own command line: contexts, remote engines and credentials work as
// its users have set them up. A value; any number of threads may use one.
class Engine {
 public:
  // The engine to use: `wanted` ("docker", "podman") or, when that is empty, $MLPIPE_ENGINE, else docker
  // where its program is there and $DOCKER_HOST, $DOCKER_CONTEXT or its socket is, else podman, else docker.
  // Whether it runs is seen when it is used. Throws Error that says what was looked for and what to do,
  // UsageError for an engine of another name.
  static Engine find(const std::string& wanted, const Environment& environment);

  Engine(EngineKind kind, std::filesystem::path program, Environment environment)
      : kind_(kind), program_(std::move(program)), environment_(std::move(environment)) {}

  EngineKind kind() const { return kind_; }
  const char* name() const { return name_of(kind_); }
  const std::filesystem::path& program() const { return program_; }

  // What runs `docker ARGUMENTS…`.
  Command command(std::vector<std::string> arguments) const;
  // Its variables that say where the engine is, and that a program which calls it elsewhere needs: PATH,
  // HOME, DOCKER_*, CONTAINER_*, XDG_*. No others.
  Environment environment() const;

  // Runs it to its end, however that is.
  Captured run(std::vector<std::string> arguments, std::string_view input = "") const;
  // What it printed, without space around it. Throws Error with the engine's own words when it failed.
  std::string ask(std::vector<std::string> arguments, std::string_view input = "") const;

  // The id ("sha256:…") of a local image by reference, digest or id; nothing when it has none of that name.
  // Throws Error when the engine cannot be asked.
  std::optional<std::string> image_id(const std::string& reference) const;

  // The Error for a call of the engine that failed: `doing` is what for ("building image trainer").
  Error failure(std::string_view doing, const Captured& captured) const;

 private:
  EngineKind kind_;
  std::filesystem::path program_;
  Environment environment_;
};

}  // namespace mlpipe
