#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "pipeline/deploy/kubernetes_manifests.hpp"

namespace mlpipe {

// The folder of a deployment on Kubernetes, which holds what a later command has to know:
//   serving.json   KubernetesServing, with the context and the namespace that it was found to have
//   intended.json  the manifests that a rollout applies; written before it does, gone once it has ended
//   settled.json   the manifests that serve: what a rollout that fails goes back to
// No secret is in any of them.
class KubernetesFolder {
 public:
  explicit KubernetesFolder(std::filesystem::path path) : path_(std::move(path)) {}

  bool has_record() const;
  // Throws Error when there is none, or it is not what save() writes.
  KubernetesServing load() const;
  void save(const KubernetesServing& serving) const;

  std::optional<nlohmann::json> settled() const { return read("settled.json"); }
  std::optional<nlohmann::json> intended() const { return read("intended.json"); }
  void write_settled(const nlohmann::json& manifests) const { write("settled.json", manifests); }
  void write_intended(const nlohmann::json& manifests) const { write("intended.json", manifests); }
  // What was intended serves.
  void settle() const;
  // What was settled serves again.
  void forget_intended() const;
  void remove() const;

 private:
  std::optional<nlohmann::json> read(const char* name) const;
  void write(const char* name, const nlohmann::json& manifests) const;

  std::filesystem::path path_;
};

}  // namespace mlpipe
