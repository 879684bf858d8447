#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/cluster/pod_order.hpp"

namespace mlpipe {

// The containers of a step's pod.
inline constexpr const char* bring_container = "bring";    // puts the job's folder there, and ends
inline constexpr const char* job_container = "job";        // the step's image, under mlpipe-agent
inline constexpr const char* record_container = "record";  // sends what it made, and ends

inline constexpr const char* key_annotation = "mlpipe.dev/key";
inline constexpr const char* queue_label = "kueue.x-k8s.io/queue-name";

// What all steps of a run have in common.
struct JobSettings {
  std::string remote;               // its URL, as pods reach it; "pvc://CLAIM[/FOLDER]": they mount that
  std::string remote_secret;        // ClusterAccess::remote_secret
  std::string secrets;              // ClusterAccess::secrets
  std::string insecure_registries;  // of pods: MLPIPE_INSECURE_REGISTRIES
  std::chrono::seconds keep{3600};
};

// One step, as it goes to a cluster.
struct JobOrder {
  PodOrder order;
  std::string name;        // of the Job: NAME-NUMBER
  std::string name_space;  // of all its objects
  std::string image;       // in a registry, by digest
  std::string agent;       // in a registry, by digest
  std::optional<std::chrono::milliseconds> timeout = {};
  std::chrono::milliseconds grace{10'000};
  std::vector<std::string> secret_variables;  // whose values mlpipe brings
};

// The Job. Everything in it holds under Pod Security `restricted`.
nlohmann::json job_manifest(const JobOrder& order, const JobSettings& settings);
// What names the pods of a Job with several nodes; it goes with the Job.
nlohmann::json service_manifest(const JobOrder& order, const std::string& job_uid);
// The values of secret variables; it goes with the Job.
nlohmann::json secret_manifest(const JobOrder& order, const std::string& job_uid,
                               const std::map<std::string, std::string>& values);

}  // namespace mlpipe
