#pragma once

#include <string>

#include "pipeline/deploy/container_folder.hpp"

namespace mlpipe {

// What a Compose file needs to know besides what the deployment is made of.
struct ComposedRelease {
  std::string model;      // its name
  std::string version;    // of the release
  std::string image;      // the servers': with the model, or without it where that is mounted
  std::string directory;  // of the model; where it is mounted
};

// compose.yaml of the same shape as the deployment: the same images, limits and addresses, and the gateway's
// configuration within it. Compose starts it by itself and starts again what ends; it does not roll.
std::string compose_text(const ContainerServing& serving, const ContainerState& state,
                         const ComposedRelease& release);

}  // namespace mlpipe
