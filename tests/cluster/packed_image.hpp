#pragma once

#include <string>
#include <vector>

#include "pipeline/base/process.hpp"
#include "tests/cluster/cluster.hpp"

namespace mlpipe {

// An image made of programs of this machine, without any container engine. It runs as the user 65532.
struct PackedImage {
  std::vector<std::string> programs;  // paths, or names in PATH; they are in the image's PATH too
  std::vector<std::string> entrypoint;
  Environment environment;
};

// Holds mlpipe-agent and mlpipe-registry.
PackedImage packed_agent();
// Holds jobs_image_programs(): what a step's command is made of.
PackedImage packed_jobs();
// Holds mlpipe-serve and mlpipe-serve-health, and starts the former as containers/server.Dockerfile's does.
PackedImage packed_server();

// Puts it into the registry and says how nodes pull it: "127.0.0.1:PORT/REPOSITORY@sha256:…". What does not
// belong to this build is a layer of its own, so that a node that has it takes only the new programs.
std::string push_packed(const TestRegistry& registry, const std::string& repository,
                        const PackedImage& image);

}  // namespace mlpipe
