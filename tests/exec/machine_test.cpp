#include "pipeline/exec/machine.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

TEST(Machine, ReadsTheLimitsOfControlGroups) {
  EXPECT_EQ(cores_of_cpu_max("150000 100000\n"), 1500);
  EXPECT_EQ(cores_of_cpu_max("max 100000\n"), std::nullopt);
  EXPECT_EQ(cores_of_cpu_max(""), std::nullopt);
  EXPECT_EQ(bytes_of_memory_max("1073741824\n"), 1U << 30U);
  EXPECT_EQ(bytes_of_memory_max("max\n"), std::nullopt);
  EXPECT_EQ(bytes_of_memory_max(""), std::nullopt);
}

TEST(Machine, HasCoresAndMemory) {
  const Capacity capacity = capacity_of_machine();
  EXPECT_GT(capacity.cpu, 0);
  EXPECT_GT(capacity.memory, 0U);
}

TEST(Machine, CountsTheGpusThatItMayUse) {
  ::setenv("CUDA_VISIBLE_DEVICES", "1, GPU-7f", 1);
  EXPECT_EQ(capacity_of_machine().gpus, (std::vector<std::string>{"1", "GPU-7f"}));
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  EXPECT_TRUE(capacity_of_machine().gpus.empty());
  ::unsetenv("CUDA_VISIBLE_DEVICES");
}

}  // namespace
}  // namespace mlpipe
