#pragma once

#include <optional>
#include <string>

#include "pipeline/container/engine.hpp"

namespace mlpipe {

// An engine that can serve from containers here, or why there is none.
struct ServingEngine {
  std::optional<Engine> engine;
  std::string why_not;
  std::string name;  // of the image
  std::string
      image;  // "sha256:…": this build's mlpipe-serve and this machine's nginx, each with what it loads
};

// Looks, and makes the image, once in a process for each kind; the image goes when the process ends.
const ServingEngine& serving_engine(EngineKind kind);

}  // namespace mlpipe
