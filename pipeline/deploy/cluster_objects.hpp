#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "pipeline/cluster/kubectl.hpp"

namespace mlpipe {

// The objects of one deployment in a cluster, which its labels tell from all others. Lists of manifests are
// JSON arrays. Every call is one kubectl; failures are Errors in the words of Kubectl::failure(). What
// changes the cluster waits for an API server that is away for a while.
class ClusterObjects {
 public:
  // `kubectl` must outlive it.
  ClusterObjects(const Kubectl& kubectl, std::string name_space, std::string name)
      : kubectl_(kubectl), name_space_(std::move(name_space)), name_(std::move(name)) {}

  const std::string& name_space() const { return name_space_; }
  std::string selector() const;
  std::vector<std::string> in_namespace(std::vector<std::string> arguments) const;

  // By server-side apply as `mlpipe`, in the order of the list. What another owns is an Error that names it.
  void apply(const nlohmann::json& manifests, const std::string& doing) const;
  // Whether that would succeed, as far as the API server can tell: nothing is changed.
  void try_out(const nlohmann::json& manifests, const std::string& doing) const;
  // What applying them would change, as unified diffs; empty: nothing.
  std::string diff(const nlohmann::json& manifests) const;

  // Those of the list that are there, as they are there.
  nlohmann::json find(const nlohmann::json& manifests) const;
  // All of these kinds ("deployments") that belong to the deployment.
  nlohmann::json list(const std::string& kinds) const;

  // Those of the list; what is not there is none too many. `wait`: until they are gone, and their pods.
  void remove(const nlohmann::json& manifests, bool wait) const;
  // All of these kinds ("deployment.apps") that belong to the deployment; waits until they and their pods
  // are gone.
  void remove_all(const std::set<std::string>& kinds) const;

  // Throws Error for an object of the list, as it is in the cluster, that mlpipe has not made for this
  // deployment.
  void require_own(const nlohmann::json& live) const;

 private:
  Captured call_patiently(std::vector<std::string> arguments, const std::string& input = "") const;

  const Kubectl& kubectl_;
  std::string name_space_;
  std::string name_;
};

// "deployment.apps", "service": as kubectl has a kind for sure.
std::string kind_of(const nlohmann::json& manifest);

// Those of `before` that are not in `after`, by kind and name.
nlohmann::json left_over(const nlohmann::json& before, const nlohmann::json& after);

}  // namespace mlpipe
