#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/deploy/api_proxy.hpp"
#include "pipeline/deploy/cluster_objects.hpp"
#include "pipeline/deploy/cluster_watch.hpp"
#include "pipeline/deploy/kubernetes_manifests.hpp"
#include "pipeline/deploy/pod_state.hpp"
#include "pipeline/deploy/target.hpp"
#include "pipeline/deploy/version_counts.hpp"

namespace mlpipe {

// A release that gets a share of a deployment's traffic, in a cluster: a Job, whose pods the deployment's
// Service selects too. Its share is a lease: the Job has a deadline, which is put off for as long as somebody
// renews it; after that Kubernetes ends the pods. Where an HTTPRoute leads to the deployment its weights make
// the share exact; else it is what so many of so many pods get. One thread at a time.
class KubernetesCanary {
 public:
  // All must outlive it.
  KubernetesCanary(const Kubectl& kubectl, const ClusterObjects& objects, const KubernetesServing& serving)
      : kubectl_(kubectl), objects_(objects), serving_(serving) {}

  // Has as many servers of the release ready as the share asks for. Says what the share really is. Throws
  // Error with the last words of a server that does not get ready, and when nothing serves beside it.
  void weigh(const ManifestRelease& release, int percent, const Target::Say& say);
  void renew();
  // Since the last weigh(). Throws Error when a server of the candidate has ended.
  Traffic traffic();
  // Sends so many requests to servers of that release.
  void probe(const ServedRelease& release, std::size_t requests);
  // Ends the candidate, also one that was left by somebody who is gone. `wait`: until its pods are gone.
  void remove(bool wait);

  // Asks a server that is ready, one after the other. Nothing: no answer.
  std::optional<HttpReply> ask(const PodState& pod, const std::string& path, std::string_view json);
  std::vector<PodState> pods();

 private:
  using Counts = std::map<std::string, VersionCounts>;  // by pod

  void apply(std::chrono::seconds lease) const;
  void wait_until_ready();
  const ApiProxy& proxy();
  Counts counts_of(const std::vector<PodState>& pods, const char* track);
  Observation grown(const Counts& now, const Counts& before, const VersionCounts& probes) const;

  const Kubectl& kubectl_;
  const ClusterObjects& objects_;
  const KubernetesServing& serving_;
  std::unique_ptr<ApiProxy> proxy_;
  std::optional<ManifestRelease> release_;  // nothing: there is no candidate
  int wanted_ = 0;
  ClusterWatch::Time began_;
  ClusterWatch::Time looked_;
  Traffic seen_;
  Counts candidate_before_;
  Counts current_before_;
  VersionCounts candidate_probes_;  // of a server that counts nothing itself
  VersionCounts current_probes_;
};

// The last lines of a server's log, of the run before where it was started again.
std::string last_words(const Kubectl& kubectl, const ClusterObjects& objects, const PodState& pod);

}  // namespace mlpipe
