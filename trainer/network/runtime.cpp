#include "trainer/network/runtime.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/version.h>

#include <algorithm>
#include <limits>

namespace mlpipe {

void keep_freed_memory() {
  constexpr int mapped_from = 32 << 20;  // glibc's largest
  mallopt(M_MMAP_THRESHOLD, mapped_from);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

void set_compute_threads(int threads) {
  at::set_num_threads(std::max(threads, 1));
}

std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace mlpipe
