#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace mlpipe {

// What Kubernetes says of a server's pod, in words. Pure.
struct PodState {
  std::string name;
  std::string version;  // of the release
  std::string track;    // "stable", "candidate"
  std::string pods;     // what it was made from: serving_mark::pods
  std::string address;  // of its node
  bool ready = false;
  bool ending = false;     // it was told to
  bool ended = false;      // and will not run again
  bool hopeless = false;   // it will not get ready by itself
  bool has_words = false;  // its container has run: there is a log
  std::string state;       // "running", "starting", "crashing", "pending: 0/1 nodes are available: …"
};

PodState state_of_pod(const nlohmann::json& pod);
std::vector<PodState> states_of_pods(const std::vector<nlohmann::json>& pods);

// How far a Deployment is on its way to the pods that its template describes.
struct RolloutState {
  bool done = false;
  std::string waits_for;  // "1 of 2 servers is ready"
  std::string failure;    // it will not get there by itself; empty: it may
  std::string refused;    // a pod cannot be made: by a quota, by admission. Room may come when others end
};

// `pods` are what it was made from. A Deployment that was not seen yet, or not with these, is not done.
RolloutState rollout_state(const nlohmann::json& deployment, const std::vector<PodState>& states,
                           const std::string& pods);

}  // namespace mlpipe
