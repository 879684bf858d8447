#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"

namespace mlpipe {

// What is done with images in a container engine. All throw Error with the engine's own words.

struct EngineImage {
  std::string id;      // "sha256:HEX"
  std::string config;  // as OCI's JSON; without its history, which an engine does not tell
  std::vector<std::string> tags;
};

// UsageError when there is no such image.
EngineImage inspect_image(const Engine& engine, const std::string& image);
// docker: an archive as `docker save` writes them; podman: a folder as skopeo's "dir:" writes them.
void load_image(const Engine& engine, const std::filesystem::path& path);
void tag_image(const Engine& engine, const std::string& image, const std::string& name);
// Takes a name away; with its last one the image goes too.
void untag_image(const Engine& engine, const std::string& name);
// `plain_http`: the registry speaks no TLS; docker knows by itself which those are.
void push_image(const Engine& engine, const std::string& name, bool plain_http);
// Builds the folder's Dockerfile; returns the image's id.
std::string build_image(const Engine& engine, const std::filesystem::path& folder,
                        const std::map<std::string, std::string>& labels, const std::string& tag);

}  // namespace mlpipe
