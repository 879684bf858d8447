#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "pipeline/oci/engine_images.hpp"
#include "pipeline/oci/model_layer.hpp"
#include "pipeline/oci/registry_client.hpp"

namespace mlpipe {

// A server's image with a model on top, at /model: one more layer, and nothing is built. Equal images and
// equal models (and labels) give equal digests.

using Labels = std::map<std::string, std::string>;

struct EngineModelImage {
  std::string id;  // "sha256:HEX"
  std::string
      made_by;  // "load": of the new layer alone; "build": with a Dockerfile, where the engine wants all
};

// In an engine, from an image that it has. It loads an image that lacks the layers that the engine has
// already; one that wants all of them (docker with containerd's image store, podman on another machine)
// builds from two lines instead. `folder` is for files that are needed meanwhile.
EngineModelImage make_model_image(const Engine& engine, const std::string& server, const ModelLayer& layer,
                                  const Labels& labels, const std::string& tag,
                                  const std::filesystem::path& folder);

struct PushedImage {
  Digest manifest;
  std::size_t layers_there = 0;  // that the repository had
  std::size_t layers_mounted = 0;
  std::size_t layers_sent = 0;
};

// In a registry, from an image in one: of the server's image only manifest and config are read, its layers
// are mounted from its repository where both are in one registry, and copied through `folder` where not. The
// manifest gets its name last.
PushedImage push_model_image(RegistryClient& from, const ImageReference& server, RegistryClient& to,
                             const ImageReference& target, const ModelLayer& layer, const Labels& labels,
                             const std::map<std::string, std::string>& annotations,
                             const std::filesystem::path& folder);

}  // namespace mlpipe
