#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/spec/rules.hpp"

namespace mlpipe {

// What there is for jobs, or is left: on this machine, and in a cluster, which knows itself what fits there.
// A value given to the scheduler, so that no test needs a GPU.
struct Capacity {
  static constexpr std::size_t any_number = static_cast<std::size_t>(-1);

  std::int64_t cpu = 0;           // thousandths of a core
  std::uint64_t memory = 0;       // bytes
  std::vector<std::string> gpus;  // as CUDA_VISIBLE_DEVICES names them
  std::size_t jobs = any_number;  // of this machine
  std::size_t cluster_jobs = any_number;

  // Room for everything that counts as a job and no more.
  static Capacity unlimited();

  bool fits(const Resources& wanted, RunsOn place = RunsOn::local) const;
  // Takes it, which must fit, and returns the GPUs of this machine that it got.
  std::vector<std::string> take(const Resources& wanted, RunsOn place = RunsOn::local);
  void give_back(const Resources& wanted, const std::vector<std::string>& taken,
                 RunsOn place = RunsOn::local);
};

}  // namespace mlpipe
