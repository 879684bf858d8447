#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"
#include "tests/containers/packed_root.hpp"

namespace mlpipe {

// An engine that can run containers here, or why there is none.
struct FoundEngine {
  std::optional<Engine> engine;
  std::string why_not;
  std::string image;  // "sha256:…", of this machine's own programs (see jobs_image_programs)
  std::string image_name;
};

// Looks once in a process for each kind; the image is removed when the process ends.
const FoundEngine& found_engine(EngineKind kind);

// Where a job runs.
enum class Place { here, docker, podman };
std::string name_of(Place place);
// The engine of a place that has one.
const FoundEngine& engine_of(Place place);

// The environment that engines are called with: this process's own, for podman with limits that it can set
// here.
const Environment& engine_environment();

}  // namespace mlpipe
