#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mlpipe {

// What mlpipe-registry is asked for, each printing one JSON document on standard output.

struct ModelImageRequest {
  std::string engine;  // "docker", "podman"; empty: whichever is there
  std::string server;  // an image that the engine has
  std::filesystem::path model;
  std::string tag;
  std::vector<std::string> labels;  // "NAME=VALUE"
};

// {"id": "sha256:…", "tag": "docker.io/library/digits:7", "engine": "docker", "made_by": "load"}
void model_image_command(const ModelImageRequest& request);

}  // namespace mlpipe
