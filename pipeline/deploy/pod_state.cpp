#include "pipeline/deploy/pod_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"
#include "pipeline/cluster/kubectl.hpp"
#include "pipeline/deploy/kubernetes_manifests.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

std::string text_in(const Json& json, const char* name) {
  return json.is_object() && json.contains(name) && json[name].is_string() ? json[name].get<std::string>()
                                                                           : "";
}

int number_in(const Json& json, const char* name, int otherwise = 0) {
  return json.is_object() && json.contains(name) && json[name].is_number_integer() ? json[name].get<int>()
                                                                                   : otherwise;
}

const Json& part_of(const Json& json, const char* name) {
  static const Json nothing = Json::object();
  return json.is_object() && json.contains(name) ? json[name] : nothing;
}

// The condition of that type; an empty object where there is none.
const Json& condition_in(const Json& status, std::string_view type) {
  static const Json nothing = Json::object();
  for (const Json& condition : part_of(status, "conditions")) {
    if (text_in(condition, "type") == type) {
      return condition;
    }
  }
  return nothing;
}

std::string with_reason(const std::string& state, const std::string& reason) {
  return reason.empty() ? state : state + ": " + printable(reason);
}

// Of its last end, where that says more than that it ended.
std::string last_end(const Json& container) {
  const Json& ended = part_of(part_of(container, "lastState"), "terminated");
  if (text_in(ended, "reason") == "OOMKilled") {
    return "it was killed for using more than its memory; give it more in `resources`";
  }
  return ended.contains("exitCode") ? fmt::format("exit status {}", number_in(ended, "exitCode")) : "";
}

void read_waiting(const Json& waiting, const Json& container, PodState& state) {
  const std::string reason = text_in(waiting, "reason");
  const std::string message = text_in(waiting, "message");
  constexpr std::array<std::string_view, 5> hopeless = {"ImagePullBackOff", "InvalidImageName",
                                                        "ErrImageNeverPull", "CreateContainerConfigError",
                                                        "CreateContainerError"};
  if (reason == "CrashLoopBackOff") {
    state.hopeless = true;
    state.has_words = true;
    state.state = with_reason("crashing", last_end(container));
  } else if (std::find(hopeless.begin(), hopeless.end(), reason) != hopeless.end()) {
    // A node that is busy says so of a ConfigMap that it has not seen yet.
    state.hopeless = message.find("failed to sync") == std::string::npos;
    state.state = with_reason(
        reason.find("Image") == std::string::npos ? "cannot be started" : "its image cannot be pulled",
        message.empty() ? reason : message);
  } else if (reason == "ErrImagePull") {
    state.state = with_reason("its image cannot be pulled yet", message);
  } else {
    state.state =
        with_reason("starting", reason == "ContainerCreating" || reason == "PodInitializing" ? "" : reason);
  }
}

void read_container(const Json& container, PodState& state) {
  const Json& now = part_of(container, "state");
  state.has_words = number_in(container, "restartCount") > 0;
  if (now.contains("waiting")) {
    read_waiting(now["waiting"], container, state);
  } else if (now.contains("terminated")) {
    state.has_words = true;
    state.state = fmt::format("ended with status {}", number_in(now["terminated"], "exitCode"));
  } else if (now.contains("running")) {
    state.has_words = true;
    state.state = state.ready ? "running" : "starting";
  }
}

}  // namespace

PodState state_of_pod(const Json& pod) {
  PodState state;
  const Json& metadata = part_of(pod, "metadata");
  const Json& status = part_of(pod, "status");
  state.name = text_in(metadata, "name");
  state.version = text_in(part_of(metadata, "annotations"), serving_mark::release);
  state.pods = text_in(part_of(metadata, "annotations"), serving_mark::pods);
  state.track = text_in(part_of(metadata, "labels"), serving_mark::track);
  state.address = text_in(status, "hostIP");
  state.ending = metadata.contains("deletionTimestamp");
  state.ready = !state.ending && text_in(condition_in(status, "Ready"), "status") == "True";
  state.state = "starting";
  for (const Json& container : part_of(status, "containerStatuses")) {
    if (text_in(container, "name") == server_container) {
      read_container(container, state);
    }
  }
  const std::string phase = text_in(status, "phase");
  if (phase == "Failed" || phase == "Succeeded") {
    state.ended = true;
    if (const std::string reason = text_in(status, "message"); !reason.empty()) {
      state.state = with_reason("ended", reason);
    }
  }
  const Json& scheduled = condition_in(status, "PodScheduled");
  if (text_in(scheduled, "status") == "False") {
    state.state = with_reason("pending", text_in(scheduled, "message"));
  }
  if (state.ending) {
    state.state = "ending";
  }
  return state;
}

std::vector<PodState> states_of_pods(const std::vector<Json>& pods) {
  std::vector<PodState> states;
  for (const Json& pod : pods) {
    states.push_back(state_of_pod(pod));
  }
  return states;
}

RolloutState rollout_state(const Json& deployment, const std::vector<PodState>& states,
                           const std::string& pods) {
  RolloutState state;
  const Json& spec = part_of(deployment, "spec");
  const Json& status = part_of(deployment, "status");
  const Json& metadata = part_of(deployment, "metadata");
  const Json& made_from = part_of(part_of(part_of(spec, "template"), "metadata"), "annotations");
  if (text_in(made_from, serving_mark::pods) != pods ||
      number_in(status, "observedGeneration", -1) < number_in(metadata, "generation")) {
    state.waits_for = "the cluster has not taken it up yet";
    return state;
  }
  const int wanted = number_in(spec, "replicas", 1);
  const int updated = number_in(status, "updatedReplicas");
  const auto ready = std::count_if(states.begin(), states.end(), [&pods](const PodState& pod) {
    return pod.ready && pod.pods == pods && pod.track == "stable";
  });
  state.done = updated >= wanted && number_in(status, "replicas") == updated &&
               number_in(status, "availableReplicas") == updated;
  state.waits_for =
      fmt::format("{} of {} {} ready", ready, count_of(static_cast<std::size_t>(wanted), "server"),
                  ready == 1 ? "is" : "are");
  for (const PodState& pod : states) {
    if (pod.pods == pods && pod.track == "stable" && !pod.ending && !pod.ready) {
      state.waits_for += fmt::format("; {} {}", pod.name, pod.state);
      if (pod.hopeless && state.failure.empty()) {
        state.failure = fmt::format("{} {}", pod.name, pod.state);
      }
    }
  }
  if (const Json& failed = condition_in(status, "ReplicaFailure"); text_in(failed, "status") == "True") {
    state.refused = text_in(failed, "message");
  }
  if (text_in(condition_in(status, "Progressing"), "reason") == "ProgressDeadlineExceeded") {
    state.failure = state.failure.empty() ? "its deadline is over" : state.failure;
  }
  return state;
}

}  // namespace mlpipe
