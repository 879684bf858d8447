#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/base/cores.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// A machine whose kernel says what the test wants.
class Cores : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  std::optional<int> quota() const { return cpu_quota(folder_.path()); }

  TemporaryDirectory folder_;
};

TEST_F(Cores, WithoutControlGroupsThereIsNoQuota) {
  EXPECT_EQ(quota(), std::nullopt);
  write("proc/self/cgroup", "0::/\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(Cores, ReadsVersion2) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 2) << "half a core is a core to keep busy now and then";
  write("sys/fs/cgroup/cpu.max", "10000 100000\n");
  EXPECT_EQ(quota(), 1);
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(Cores, TheGroupsAboveCountToo) {
  write("proc/self/cgroup", "0::/pods/one/server\n");
  write("sys/fs/cgroup/pods/one/server/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/pods/one/cpu.max", "400000 100000\n");
  write("sys/fs/cgroup/pods/cpu.max", "1600000 100000\n");
  EXPECT_EQ(quota(), 4);
  write("sys/fs/cgroup/pods/cpu.max", "300000 100000\n");
  EXPECT_EQ(quota(), 3);
}

TEST_F(Cores, ReadsVersion1) {
  write("proc/self/cgroup", "5:memory:/other\n3:cpu,cpuacct:/docker/abc\n0::/\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 3);
  write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota(), std::nullopt);
}

// In a container the mount's own folder is the group that its path names from outside.
TEST_F(Cores, ReadsTheMountWhereThePathLeadsNowhere) {
  write("proc/self/cgroup", "2:cpu:/docker/abc\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(Cores, TakesNoNonsense) {
  write("proc/self/cgroup", "nonsense\n::\n0:\n0::/a/../..\n");
  for (const char* text :
       {"", "x y", "100000", "-5 100000", "100000 0", "1e400 1", "nan 1", "100000 100000 1"}) {
    write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(quota(), std::nullopt) << text;
  }
}

TEST(AvailableCores, IsAtLeastOne) {
  EXPECT_GE(available_cores(), 1);
}

}  // namespace
}  // namespace mlpipe
