#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"

namespace mlpipe {

// A file or folder of this machine that a container sees.
struct Mount {
  std::filesystem::path source;  // absolute, and there
  std::string target;            // where it is inside, absolute
  bool writable = false;

  friend bool operator==(const Mount&, const Mount&) = default;
};

// A program that runs in a container of its own, in the foreground, as little able to do harm as it can be:
// no capability, no way to new privileges, a read-only image with a tmpfs where programs put temporary files,
// no network unless it is given one.
struct ContainerRun {
  EngineKind engine = EngineKind::docker;
  std::string image;  // "sha256:…"; it is never pulled
  std::string name;   // of the container; one at a time has it
  std::map<std::string, std::string> labels;
  std::vector<Mount> mounts;
  std::string user;                  // "1000:1000"
  bool keep_user_namespace = false;  // podman without root: `user` is the caller's own
  bool network = false;              // false: it reaches itself only
  std::uint64_t memory = 0;          // bytes, swap included; 0: no limit
  std::uint64_t shared_memory = 0;   // bytes that /dev/shm may take of it; 0: the engine's default
  std::int64_t cpu = 0;              // thousandths of a core; 0: no limit
  std::vector<std::string> gpus;     // as CUDA_VISIBLE_DEVICES names them
  std::vector<std::string> command;  // argv, in place of the image's entrypoint

  friend bool operator==(const ContainerRun&, const ContainerRun&) = default;
};

// The arguments of the engine's program that run it: "run", "--rm", …. The container's standard input is that
// of the engine's program and comes to its end with it; the container is removed when it has ended, also when
// the engine's program was killed.
std::vector<std::string> run_arguments(const ContainerRun& run);

}  // namespace mlpipe
