#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace mlpipe {

// What is kept of objects of the API, as far as it matters here.

struct SeenContainer {
  std::string image;
  std::string waiting;  // the reason, while it waits for one
  std::string message;
  bool running = false;
  std::optional<int> exit_code;  // it has ended
  std::string ended_for;         // the reason: "Error", "OOMKilled", "StartError"
};

struct SeenPod {
  std::string name;
  std::string owner;     // the Job's uid
  std::string job_name;  // and name
  int index = 0;         // among the nodes
  std::string phase;
  std::string node;
  std::string reason;         // that the whole pod was given: "Evicted"
  std::string message;        // and its words
  std::string unschedulable;  // the scheduler's words
  std::string disruption;     // who ends it from outside, in words
  SeenContainer bring;
  SeenContainer job;
  SeenContainer record;

  bool ended() const;
  // Its job has: it succeeded or failed, and what it made is being recorded.
  bool ended_by_itself() const;
  // And that is done.
  bool recorded() const;
};

struct SeenJob {
  std::string name;
  std::string uid;
  std::string key;  // the action key that it was made for; empty: it is not one of mlpipe's
  std::string queue;
  bool suspended = false;
  bool deleting = false;
  bool succeeded = false;
  bool failed = false;
  std::string reason;  // failed: "BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy"
  std::string message;

  bool ended() const { return succeeded || failed; }
};

// How far a Job is. Its pods tell it a moment before the Job itself does.
enum class Progressed { runs, succeeded, failed };
Progressed progress_of(const SeenJob& job, const std::vector<const SeenPod*>& pods, int nodes);

SeenJob seen_job(const nlohmann::json& object);
SeenPod seen_pod(const nlohmann::json& object);

// Why a pod does not get on. `kind` is the same while it is the same matter.
struct Waiting {
  std::string kind;
  std::string text;
};
std::optional<Waiting> why_waiting(const SeenPod& pod);
std::optional<Waiting> why_waiting(const SeenJob& job);
// The same from a warning among the events.
std::optional<Waiting> why_waiting(const nlohmann::json& event);

// What can never come right by itself; empty when nothing is known to be so.
std::string hopeless(const SeenPod& pod);
// Whether the kernel killed all of the job's container, its agent too, for want of memory: so it does where
// Kubernetes asks it to (cgroup v2). Another pod would fare no better.
bool ran_out_of_memory(const SeenPod& pod);
// How a pod ended that has not recorded what it made: "evicted: The node was low on resource: memory".
std::string how_it_ended(const SeenPod& pod);

}  // namespace mlpipe
