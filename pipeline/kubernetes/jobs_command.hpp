#pragma once

#include <filesystem>
#include <string>

#include "pipeline/kubernetes/manifests.hpp"

namespace mlpipe {

struct JobsRequest {
  std::string context;     // of the kubeconfig; empty: the current one
  std::string remote;      // its URL
  std::string pod_remote;  // as pods reach it; empty: the same
  std::string registry;    // "HOST/REPOSITORY"; empty: that of the remote
  std::string remote_secret;
  std::string secrets;
  std::int64_t keep_seconds = 3600;
};

// Carries out jobs as Jobs of a cluster, as lines of JSON on the socket that is standard input and output ask
// for:
//   {"do": "start", "directory": "…", "secrets": {"VARIABLE": "value"}}   with the job's lock as a descriptor
// The folder holds job.json and pod.json. Answers, each a line:
//   {"event": "pending", "directory": "…", "reason": "…"}
//   {"event": "running", "directory": "…"}      after that: it waits no longer
//   {"event": "ended", "directory": "…"}        exit.json is there, and the lock let go
//   {"event": "warning", "text": "…"}
// Ends when the socket does. Throws Error.
void jobs_command(const JobsRequest& request);

}  // namespace mlpipe
