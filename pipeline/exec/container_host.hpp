#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/container/engine.hpp"
#include "pipeline/plan/capacity.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// The engine that containers of steps run on, and what has to be known of it for that.
struct ContainerHost {
  Engine engine;
  bool rootless = false;  // it runs as the calling user, who is root inside unless told otherwise
  bool has_gpus = false;  // it can give containers NVIDIA's GPUs

  // Asks it; throws Error when there is none or it does not answer.
  static ContainerHost find(const Environment& environment);
};

// What a step's container is to be, less mounts: within the step's limits, with these GPUs, as the calling
// user. Its name follows from the job's folder, so that one job has one container.
JobContainer container_of(const Step& step, const ContainerHost& host, const std::string& image_id,
                          const std::vector<std::string>& gpus, const std::filesystem::path& job_directory);

}  // namespace mlpipe
