#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pipeline/oci/remote.hpp"

namespace mlpipe {

inline constexpr std::string_view claim_scheme = "pvc://";

// "pvc://CLAIM[/FOLDER]": a folder of a volume in a cluster.
struct ClaimUrl {
  std::string claim;
  std::string folder;  // relative; empty: all of it
};
// Throws UsageError.
ClaimUrl parse_claim_url(const std::string& url);

// In a pod that mounts the volume, where MLPIPE_REMOTE_DIR says, the folder itself. Elsewhere, through
// kubectl, by a process in a pod that does: one for each claim, whoever uses it, which is made when it is
// needed and ends with its Job a minute after the last of them. MLPIPE_CLUSTER_CONTEXT and
// MLPIPE_CLUSTER_NAMESPACE say where (empty: as kubectl is set up), MLPIPE_AGENT_IMAGE what is in it. Asks
// nobody before the first call. UsageError when one is missing.
std::unique_ptr<Remote> open_claim_remote(const std::string& url, const Environment& environment);

// The Job of that pod.
nlohmann::json claim_job_manifest(const std::string& name, const std::string& claim,
                                  const std::string& image);

// The first process in that pod: waits until nobody has held lock_use_of_claim() for a minute, or SIGTERM.
void wait_for_users_of_claim();
// Held by each process that others start there.
FileDescriptor lock_use_of_claim();

}  // namespace mlpipe
