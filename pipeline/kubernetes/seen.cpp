#include "pipeline/kubernetes/seen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"
#include "pipeline/kubernetes/manifests.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr int killed = 137;
constexpr int told_to_end = 143;  // of the agent in a pod

const Json& at(const Json& json, const char* key) {
  static const Json nothing = Json::object();
  if (!json.is_object()) {
    return nothing;
  }
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nothing : *found;
}

std::string text(const Json& json, const char* key) {
  const Json& value = at(json, key);
  return value.is_string() ? value.get<std::string>() : "";
}

bool truth(const Json& json, const char* key) {
  const Json& value = at(json, key);
  return value.is_boolean() && value.get<bool>();
}

const Json* condition(const Json& status, std::string_view type) {
  for (const Json& one : at(status, "conditions")) {
    if (text(one, "type") == type && text(one, "status") == "True") {
      return &one;
    }
  }
  return nullptr;
}

SeenContainer seen_container(const Json& status) {
  SeenContainer container;
  container.image = text(status, "image");
  const Json& state = at(status, "state");
  if (state.contains("waiting")) {
    container.waiting = text(state["waiting"], "reason");
    container.message = text(state["waiting"], "message");
  } else if (state.contains("running")) {
    container.running = true;
  } else if (state.contains("terminated")) {
    const Json& ended = state["terminated"];
    container.exit_code = at(ended, "exitCode").is_number() ? ended["exitCode"].get<int>() : -1;
    container.ended_for = text(ended, "reason");
    container.message = text(ended, "message");
  }
  return container;
}

bool is_any_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What a container waits for, but for what only takes its time.
std::optional<Waiting> why_waiting(const SeenContainer& container) {
  const std::string& reason = container.waiting;
  if (is_any_of(reason, {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable",
                         "ImageInspectError", "InvalidImageName", "SignatureValidationFailed"})) {
    return Waiting{"image " + container.image,
                   fmt::format("the image {} cannot be pulled: {}", container.image,
                               container.message.empty() ? reason : container.message)};
  }
  if (reason.empty() || is_any_of(reason, {"PodInitializing", "ContainerCreating"})) {
    return std::nullopt;
  }
  return Waiting{reason, fmt::format("{}: {}", reason, container.message)};
}

std::string one_line(const std::string& words) {
  return join(split(trim(words), '\n'), "; ");
}

std::string why_ended(const SeenContainer& container) {
  const std::string words = one_line(container.message);
  if (!words.empty()) {
    return words;
  }
  return container.ended_for.empty() || container.ended_for == "Error"
             ? fmt::format("exit status {}", container.exit_code.value_or(-1))
             : fmt::format("{} (exit status {})", container.ended_for, container.exit_code.value_or(-1));
}

}  // namespace

bool SeenPod::ended() const {
  return phase == "Succeeded" || phase == "Failed" || (job.exit_code && record.exit_code);
}

bool SeenPod::ended_by_itself() const {
  return job.exit_code && *job.exit_code != killed && *job.exit_code != told_to_end;
}

bool SeenPod::recorded() const {
  return ended_by_itself() && record.exit_code == 0;
}

Progressed progress_of(const SeenJob& job, const std::vector<const SeenPod*>& pods, int nodes) {
  if (job.ended()) {
    return job.succeeded ? Progressed::succeeded : Progressed::failed;
  }
  std::set<int> succeeded;
  bool failed = false;
  for (const SeenPod* pod : pods) {
    if (pod->recorded() && pod->job.exit_code == 0) {
      succeeded.insert(pod->index);
    }
    failed = failed || (pod->recorded() && pod->job.exit_code != 0);
  }
  if (static_cast<int>(succeeded.size()) == nodes) {
    return Progressed::succeeded;
  }
  // Of several nodes the others are still being ended.
  return failed && nodes == 1 ? Progressed::failed : Progressed::runs;
}

SeenJob seen_job(const Json& object) {
  SeenJob job;
  const Json& metadata = at(object, "metadata");
  job.name = text(metadata, "name");
  job.uid = text(metadata, "uid");
  job.key = text(at(metadata, "annotations"), key_annotation);
  job.queue = text(at(metadata, "labels"), queue_label);
  job.deleting = metadata.contains("deletionTimestamp");
  job.suspended = truth(at(object, "spec"), "suspend");
  const Json& status = at(object, "status");
  job.succeeded = condition(status, "Complete") != nullptr;
  if (const Json* failed = condition(status, "Failed")) {
    job.failed = true;
    job.reason = text(*failed, "reason");
    job.message = text(*failed, "message");
  }
  return job;
}

SeenPod seen_pod(const Json& object) {
  SeenPod pod;
  const Json& metadata = at(object, "metadata");
  const Json& status = at(object, "status");
  pod.name = text(metadata, "name");
  for (const Json& owner : at(metadata, "ownerReferences")) {
    if (text(owner, "kind") == "Job") {
      pod.owner = text(owner, "uid");
      pod.job_name = text(owner, "name");
    }
  }
  pod.index =
      std::atoi(text(at(metadata, "annotations"), "batch.kubernetes.io/job-completion-index").c_str());
  pod.phase = text(status, "phase");
  pod.node = text(at(object, "spec"), "nodeName");
  pod.reason = text(status, "reason");
  pod.message = text(status, "message");
  for (const Json& one : at(status, "conditions")) {
    if (text(one, "type") == "PodScheduled" && text(one, "status") == "False") {
      pod.unschedulable = text(one, "message");
    }
  }
  if (const Json* disrupted = condition(status, "DisruptionTarget")) {
    pod.disruption = text(*disrupted, "message");
  }
  const std::map<std::string, SeenContainer*> containers = {
      {bring_container, &pod.bring}, {job_container, &pod.job}, {record_container, &pod.record}};
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    for (const Json& one : at(status, list)) {
      if (const auto found = containers.find(text(one, "name")); found != containers.end()) {
        *found->second = seen_container(one);
      }
    }
  }
  return pod;
}

std::optional<Waiting> why_waiting(const SeenPod& pod) {
  if (!pod.unschedulable.empty() && pod.node.empty()) {
    return Waiting{"node " + pod.unschedulable, "no node takes its pod: " + pod.unschedulable};
  }
  for (const SeenContainer* container : {&pod.bring, &pod.job, &pod.record}) {
    if (auto waiting = why_waiting(*container)) {
      return waiting;
    }
  }
  return std::nullopt;
}

std::optional<Waiting> why_waiting(const SeenJob& job) {
  if (!job.suspended || job.ended()) {
    return std::nullopt;
  }
  return Waiting{"suspended", job.queue.empty()
                                  ? "its Job is suspended, and somebody has to let it go on"
                                  : fmt::format("the queue {} has not admitted it yet", job.queue)};
}

std::optional<Waiting> why_waiting(const Json& event) {
  const std::string reason = text(event, "reason");
  std::string message = text(event, "message");
  if (reason == "FailedCreate") {
    constexpr std::string_view opening = "Error creating: ";
    if (message.starts_with(opening)) {
      message.erase(0, opening.size());
    }
    const Error error = cluster_failure("its pod cannot be made", message);
    return Waiting{"create",
                   error.hint().empty() ? error.what() : fmt::format("{} ({})", error.what(), error.hint())};
  }
  if (is_any_of(reason, {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox",
                         "FailedCreatePodContainer", "NetworkNotReady"})) {
    return Waiting{reason + message, fmt::format("{}: {}", reason, one_line(message))};
  }
  return std::nullopt;
}

std::string hopeless(const SeenPod& pod) {
  for (const SeenContainer* container : {&pod.bring, &pod.job, &pod.record}) {
    if (container->waiting == "InvalidImageName") {
      return fmt::format("{} is no name of an image: {}", container->image, container->message);
    }
    // A ConfigMap or Secret that is not there yet may come; a key that a Secret lacks is an error in the
    // name.
    if (container->waiting == "CreateContainerConfigError" &&
        container->message.find("couldn't find key") != std::string::npos) {
      return container->message;
    }
    if (is_any_of(container->ended_for, {"StartError", "ContainerCannotRun"})) {
      return fmt::format("the container of {} cannot be started: {}", container->image,
                         one_line(container->message));
    }
  }
  return "";
}

bool ran_out_of_memory(const SeenPod& pod) {
  return pod.job.exit_code == killed && pod.job.ended_for == "OOMKilled";
}

std::string how_it_ended(const SeenPod& pod) {
  if (!pod.reason.empty()) {
    return fmt::format("{}: {}", pod.reason, one_line(pod.message));
  }
  if (!pod.disruption.empty()) {
    return one_line(pod.disruption);
  }
  if (pod.bring.exit_code.value_or(0) != 0) {
    return "what it works with could not be brought: " + why_ended(pod.bring);
  }
  if (pod.job.exit_code == told_to_end) {
    return "it was told to end from outside";
  }
  if (pod.job.exit_code.value_or(0) > 1) {
    return "its container ended: " + why_ended(pod.job);
  }
  if (pod.record.exit_code.value_or(0) != 0) {
    return "what it made could not be recorded: " + why_ended(pod.record);
  }
  return "it ended: " + pod.phase;
}

}  // namespace mlpipe
