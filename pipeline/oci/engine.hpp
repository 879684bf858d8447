#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

// An image as an engine knows it.
struct EngineImage {
  std::string id;      // "sha256:HEX"
  std::string config;  // as OCI's JSON; without its history, which an engine does not tell
  std::vector<std::string> tags;
};

// docker or podman, through its command line, which knows where its engine is (contexts, DOCKER_HOST). Throws
// Error with what the program said last.
class Engine {
 public:
  // `name`: "docker" or "podman", or a path of such a program whose name begins so; empty: the first of the
  // two that is there. Throws UsageError for anything else, Error when there is none.
  static Engine find(const std::string& name, const Environment& environment);

  bool is_podman() const { return podman_; }
  // "docker", "podman".
  const char* name() const { return podman_ ? "podman" : "docker"; }

  // UsageError when there is no such image.
  EngineImage inspect(const std::string& image) const;
  bool has(const std::string& image) const;
  // docker: an archive as `docker save` writes them; podman: a folder as skopeo's "dir:" writes them.
  void load(const std::filesystem::path& path) const;
  void tag(const std::string& image, const std::string& name) const;
  // Takes a name away; with its last one the image goes too.
  void untag(const std::string& name) const;
  // `plain_http`: the registry speaks no TLS; docker knows by itself which those are.
  void push(const std::string& name, bool plain_http) const;
  struct Build {
    std::filesystem::path folder;  // with the Dockerfile
    std::map<std::string, std::string> labels;
    std::string tag;
  };
  // Returns the image's id.
  std::string build(const Build& build) const;

 private:
  Engine(std::filesystem::path program, bool podman, Environment environment)
      : program_(std::move(program)), podman_(podman), environment_(std::move(environment)) {}
  Captured call(std::vector<std::string> arguments, int standard_input = -1) const;
  std::string call_or_throw(const std::vector<std::string>& arguments, int standard_input = -1) const;

  std::filesystem::path program_;
  bool podman_;
  Environment environment_;
};

}  // namespace mlpipe
