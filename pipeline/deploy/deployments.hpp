#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/deploy/rollout.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// What the store remembers of a deployment: enough to find it from anywhere, and to see what a killed command
// began.
struct DeploymentRecord {
  std::string alias;
  std::string model;
  std::string target;  // "local"
  int version = 0;     // of the release that it serves or was to serve
  std::string phase;   // as Rollout names them; "serving", or "stopped"
  std::chrono::system_clock::time_point changed;
};

std::vector<DeploymentRecord> deployments(const Store& store);
std::optional<DeploymentRecord> find_deployment(const Store& store, const std::string& alias);
// Written before each effect; the generation grows with every write.
void record_deployment(const Store& store, const std::string& alias, const std::string& model,
                       const std::string& target, int version, const std::string& phase);

// Held while somebody publishes to or rolls out an alias: one rollout for each alias.
std::filesystem::path rollout_lock(const Store& store, const std::string& alias);

// What a target needs to serve it. Throws Error when its files are not in the store any more.
ServedRelease served(const Store& store, const Release& release);

}  // namespace mlpipe
