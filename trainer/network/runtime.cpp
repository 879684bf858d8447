#include "trainer/network/runtime.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <sched.h>
#include <torch/version.h>

#include <algorithm>
#include <limits>
#include <thread>

namespace mlpipe {

void keep_freed_memory() {
  constexpr int mapped_from = 32 << 20;  // glibc's largest
  mallopt(M_MMAP_THRESHOLD, mapped_from);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

void set_compute_threads(int threads) {
  at::set_num_threads(std::max(threads, 1));
}

int available_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) {
    return std::max(CPU_COUNT(&cores), 1);
  }
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace mlpipe
