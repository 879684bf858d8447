#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"

namespace mlpipe {

// An image to be built from a Dockerfile and a context that nobody changes meanwhile.
struct BuildRequest {
  std::filesystem::path dockerfile;
  std::filesystem::path context;
  std::string target;    // empty: the last stage
  std::string platform;  // empty: the engine's own
  std::map<std::string, std::string> args;
  std::vector<std::string> secrets;           // "id=NAME,env=VARIABLE"
  std::map<std::string, std::string> labels;  // on the image
  std::string
      name;  // "mlpipe/digits/trainer"; its tag is the beginning of its id, so equal images have one name
};

// An image that is there.
struct BuiltImage {
  std::string id;    // "sha256:…"
  std::string name;  // what it can be called by
  std::map<std::string, std::string>
      bases;  // ids of what it was made from, by the names that the Dockerfile has
};

// Builds it, pulls the base images that the engine does not have before, and shows on standard output what
// the builder does; tells $MLPIPE_PROGRESS how far it is. Nothing when the build failed: the log's end says
// at which instruction, with its last lines. Throws Error for what no build can do.
std::optional<BuiltImage> build_image(const Engine& engine, const BuildRequest& request);

// An image of somebody else's, pulled when the engine does not have it.
BuiltImage bring_image(const Engine& engine, const std::string& reference, const std::string& platform);

}  // namespace mlpipe
