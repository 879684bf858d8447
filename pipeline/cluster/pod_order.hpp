#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/cluster/place.hpp"

namespace mlpipe {

// An image as a container engine has it, or as a registry does.
struct OrderedImage {
  std::string id;    // "sha256:…" in an engine; empty: `name` is all there is
  std::string name;  // in a registry "HOST/REPOSITORY@sha256:…"

  friend bool operator==(const OrderedImage&, const OrderedImage&) = default;
};

// What a job reads, by its bytes.
struct OrderedInput {
  std::string path;              // relative to the work directory: "inputs/train/model"
  std::filesystem::path source;  // on this machine, read-only
  bool folder = false;

  friend bool operator==(const OrderedInput&, const OrderedInput&) = default;
};

// What a step's job is on Kubernetes, besides what job.json says; it stands beside that in the job's folder
// as pod.json. Inside, the job's folder is at /mlpipe (folder_in_container), as in a container. The folder
// `work/` holds the step's dependencies, not its inputs.
struct PodOrder {
  // Of the Job and of what belongs to it: "mlpipe-" and the beginning of the action key. The Job's own name
  // is this and "-NUMBER".
  std::string name;
  // The results that the key has here: the first number that is tried. One whose Job has failed is passed
  // over; with `anew` also one that has succeeded.
  std::size_t number = 0;
  bool anew = false;
  std::string key;  // all of it, in hexadecimal
  std::string pipeline;
  std::string step;
  OrderedImage image;
  OrderedImage agent;  // holds mlpipe-agent and mlpipe-registry
  std::vector<OrderedInput> inputs;
  std::vector<std::string> outs;  // relative to the work directory; a job that failed need not have them
  std::int64_t cpu = 0;           // thousandths of a core; 0: it says nothing
  std::uint64_t memory = 0;       // bytes; 0: it says nothing
  int gpu = 0;
  int nodes = 1;  // pods; of more than one each has `processes` of job.json, and job.json's `nodes` is theirs
  std::map<std::string, std::string> cluster_secrets;  // keys in the cluster's Secret, by variable
  ClusterPlace place;

  friend bool operator==(const PodOrder&, const PodOrder&) = default;
};

void write_pod_order(const std::filesystem::path& job_directory, const PodOrder& order);
// Throws Error when pod.json is missing or not what write_pod_order writes.
PodOrder read_pod_order(const std::filesystem::path& job_directory);

}  // namespace mlpipe
