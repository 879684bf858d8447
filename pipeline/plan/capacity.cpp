#include "pipeline/plan/capacity.hpp"

#include <algorithm>
#include <limits>

namespace mlpipe {

Capacity Capacity::unlimited() {
  return {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::uint64_t>::max(), {}};
}

bool Capacity::fits(const Resources& wanted, RunsOn place) const {
  if (place == RunsOn::kubernetes) {
    return cluster_jobs > 0;
  }
  return jobs > 0 && wanted.cpu <= cpu && wanted.memory <= memory &&
         static_cast<std::size_t>(wanted.gpu.value_or(0)) <= gpus.size();
}

std::vector<std::string> Capacity::take(const Resources& wanted, RunsOn place) {
  if (place == RunsOn::kubernetes) {
    --cluster_jobs;
    return {};
  }
  --jobs;
  cpu -= wanted.cpu;
  memory -= wanted.memory;
  const auto end = gpus.begin() + wanted.gpu.value_or(0);
  std::vector<std::string> taken(gpus.begin(), end);
  gpus.erase(gpus.begin(), end);
  return taken;
}

void Capacity::give_back(const Resources& wanted, const std::vector<std::string>& taken, RunsOn place) {
  if (place == RunsOn::kubernetes) {
    ++cluster_jobs;
    return;
  }
  ++jobs;
  cpu += wanted.cpu;
  memory += wanted.memory;
  gpus.insert(gpus.end(), taken.begin(), taken.end());
  std::sort(gpus.begin(), gpus.end());
}

}  // namespace mlpipe
