#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/spec/rules.hpp"

namespace mlpipe {

// What a machine has for jobs, or has left. A value given to the scheduler, so that no test needs a GPU.
struct Capacity {
  std::int64_t cpu = 0;           // thousandths of a core
  std::uint64_t memory = 0;       // bytes
  std::vector<std::string> gpus;  // as CUDA_VISIBLE_DEVICES names them

  // Room for everything that counts as a job and no more.
  static Capacity unlimited();

  bool fits(const Resources& wanted) const;
  // Takes it, which must fit, and returns the GPUs that it got.
  std::vector<std::string> take(const Resources& wanted);
  void give_back(const Resources& wanted, const std::vector<std::string>& taken);
};

}  // namespace mlpipe
