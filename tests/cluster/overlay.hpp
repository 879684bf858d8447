#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// A kustomization of the test's own over parts of k8s/, as k8s/README.md has its readers write them.
class Overlay {
 public:
  // `shipped` are folders below k8s/; `more` is YAML, and stands at the end of the file.
  Overlay(const std::vector<std::string>& shipped, const std::string& name_space,
          const std::string& more = "") {
    namespace fs = std::filesystem;
    std::string resources;
    for (const std::string& part : shipped) {
      const fs::path folder = fs::path(MLPIPE_REPOSITORY) / "k8s" / part;
      resources += fmt::format("  - '{}'\n", fs::relative(folder, fs::canonical(folder_.path())).string());
    }
    write("kustomization.yaml", fmt::format("namespace: {}\nresources:\n{}{}", name_space, resources, more));
  }
  // A file beside it.
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_.path() / name, text);
  }
  // For `kubectl apply`.
  std::string argument() const { return "--kustomize=" + folder_.path().string(); }

 private:
  TemporaryDirectory folder_;
};

}  // namespace mlpipe
