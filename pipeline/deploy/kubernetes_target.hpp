#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/deploy/cluster_objects.hpp"
#include "pipeline/deploy/kubernetes_canary.hpp"
#include "pipeline/deploy/kubernetes_folder.hpp"
#include "pipeline/deploy/kubernetes_manifests.hpp"
#include "pipeline/deploy/target.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {

// Serves from a Deployment in a cluster, and what belongs to it. Everything is applied by server-side apply
// under the name mlpipe: what others own stays theirs, and a conflict is an Error that names them. Kubernetes
// does not go back by itself: what served before stands in the deployment's folder as manifests, and is
// applied again. A canary is a Job beside it (kubernetes_canary.hpp). Not thread-safe; used under the alias's
// rollout lock, but for observe().
class KubernetesTarget : public Target {
 public:
  // Looks up which context and namespace are meant where `serving` does not say. Throws Error when the folder
  // holds the deployment of another cluster or namespace.
  KubernetesTarget(Kubectl kubectl, Programs programs, std::filesystem::path directory,
                   KubernetesServing serving);
  KubernetesTarget(const KubernetesTarget&) = delete;
  KubernetesTarget& operator=(const KubernetesTarget&) = delete;

  // The deployment that stands in a folder, as it was begun.
  static std::unique_ptr<KubernetesTarget> existing(const std::filesystem::path& directory,
                                                    Programs programs);

  ServingState observe() override;
  WantedServing wanted() const override;
  void bring_up(const ServedRelease& candidate) override;
  void weigh(const ServedRelease& candidate, const ServedRelease& current, int percent) override;
  void renew_weight() override;
  Traffic traffic() override;
  void probe(const ServedRelease& release, std::size_t requests) override;
  void shift(const ServedRelease& candidate) override;
  void settle(const ServedRelease& candidate) override;
  void withdraw(const ServedRelease& previous) override;
  void stop() override;
  std::optional<HttpReply> ask(const std::string& path, std::string_view json) override;

  // What a rollout of the release applies, as YAML. Asks no cluster and makes nothing: an image that was not
  // pushed yet is named by its tag.
  std::string manifests(const ServedRelease& release) const;
  // What a rollout of the release would change in the cluster: unified diffs; empty: nothing.
  std::string diff(const ServedRelease& release) const;
  // What its servers wrote last, each line with its pod's name before it.
  std::string log(std::size_t lines) const;
  // What goes on writing that to standard output.
  Command log_follower() const;

 private:
  std::string tag_of(const ServedRelease& release) const;
  ManifestRelease manifest_release(const ServedRelease& release, std::string image) const;
  // The image with the release's model, by digest where it is known without asking anybody.
  std::string known_image(const ServedRelease& release) const;
  std::string push(const ServedRelease& release);
  PodExchange choose_exchange() const;
  void adopt(const nlohmann::json& live) const;
  nlohmann::json intended_deployment(const ServedRelease& candidate);
  void wait_until_rolled(const nlohmann::json& deployment, const std::string& version) const;
  void restore();
  [[noreturn]] void give_up(const Error& error);

  Kubectl kubectl_;
  Programs programs_;
  KubernetesFolder folder_;
  KubernetesServing serving_;
  ClusterObjects objects_;
  std::map<std::string, std::string> pushed_;  // images by their tags
  KubernetesCanary canary_;
};

}  // namespace mlpipe
