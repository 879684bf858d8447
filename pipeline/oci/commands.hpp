#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace mlpipe {

// What mlpipe-registry is asked for, each printing one JSON document on standard output.

struct ModelImageRequest {
  std::string engine;  // "docker", "podman"; empty: as Engine::find() chooses
  std::string server;  // an image that the engine has
  std::filesystem::path model;
  std::string tag;
  std::vector<std::string> labels;  // "NAME=VALUE"
};

// {"id": "sha256:…", "tag": "docker.io/library/digits:7", "engine": "docker", "made_by": "load"}
void model_image_command(const ModelImageRequest& request);

// A release's description, as parse_description() reads it, comes on standard input.
inline constexpr std::uint64_t largest_description = std::uint64_t{16} << 20U;

struct PushRequest {
  std::string to;       // HOST/REPOSITORY[:TAG]
  std::string version;  // the tag where `to` has none
  std::filesystem::path model;
  std::string
      server;  // an image in a registry when it names a host, else an engine's; empty: no image is made
  std::string engine;
  std::vector<std::string> labels;
};

// Two manifests over the same blobs: the runnable image TAG, where a server is named, and the ModelPack
// artifact TAG-model.
// {"image": {"reference": …, "digest": …, "server": …, "layers": {"there": 4, "mounted": 0, "sent": 1}},
//  "artifact": {"reference": …, "digest": …}, "model_layer": {"digest": …, "size": …}}
void push_command(const PushRequest& request);

struct PushImageRequest {
  std::string engine;
  std::string image;  // that the engine has
  std::string to;     // HOST/REPOSITORY
};

// {"reference": "HOST/REPOSITORY@sha256:…"}; nothing is sent when the repository has it.
void push_image_command(const PushImageRequest& request);

struct ResolveRequest {
  std::string reference;
  std::string platform;  // "linux/arm64"; empty: this machine's
  // Files to be written, as an image's step leaves them: what is printed, and that it was made of nothing
  // else. Empty: none.
  std::filesystem::path output;
  std::filesystem::path bases;
};

// {"id": "sha256:…", "name": "HOST/REPOSITORY@sha256:…"}: an image in a registry by its manifest for a
// platform. No engine is asked.
void resolve_command(const ResolveRequest& request);

struct PullRequest {
  std::string reference;
  std::filesystem::path to;  // a folder that does not exist yet
};

// {"reference": …, "digest": …, "folder": "TO/model", "annotations": {…}, "descriptor": {…}}
void pull_command(const PullRequest& request);

// The two in a pod that has a volume, whose folder the URL names ("dir:///FOLDER"): the first waits there for
// as long as the volume is used, the second is started there for each who uses it, see serve_pipe().
void serve_remote_command(const std::string& url);
void pipe_remote_command(const std::string& url);

// The two in a step's pod, see pod_job.hpp; its index is JOB_COMPLETION_INDEX of the environment, 0 without.
// They print nothing. What pod_record_command() returns is the exit status.
void pod_bring_command(const std::string& url, const std::string& job,
                       const std::filesystem::path& directory);
int pod_record_command(const std::string& url, const std::string& job,
                       const std::filesystem::path& directory);

}  // namespace mlpipe
