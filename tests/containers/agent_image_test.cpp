#include <fmt/format.h>
#include <unistd.h>

#include "pipeline/agent/job.hpp"
#include "pipeline/oci/pod_job.hpp"
#include "tests/containers/image_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class AgentImage : public ImageTest {};

TEST_F(AgentImage, IsConfiguredForAnyEngineAndHoldsNoShell) {
  expect_safe_configuration(inspect(image("agent")).at("Config"), "SIGTERM");
  const std::set<std::string> all = files(image("agent"));
  for (const char* program : {"usr/local/bin/mlpipe-agent", "usr/local/bin/mlpipe-registry"}) {
    EXPECT_TRUE(all.contains(program)) << program;
  }
  EXPECT_TRUE(all.contains("etc/ssl/certs/ca-certificates.crt"));
  for (const char* other : {"bin/sh", "usr/bin/sh", "usr/local/bin/mlpipe", "usr/local/bin/mlpipe-fetch"}) {
    EXPECT_FALSE(all.contains(other)) << other;
  }
  EXPECT_EQ(missing_libraries(image("agent"), "/usr/local/bin/mlpipe-registry"), Arguments{});
}

// The containers of a step's pod, one after the other, on folders of this machine.
TEST_F(AgentImage, BringsAJobAndRecordsWhatItMade) {
  const TemporaryDirectory root;
  for (const char* folder : {"job/work", "pod", "remote"}) {
    fs::create_directories(root.path() / folder);
  }
  Job job;
  job.arguments = {"/usr/local/bin/mlpipe-registry", "--help"};
  job.work_directory = fs::path(folder_in_container) / "work";
  write_job(root.path() / "job", job);
  write_pod_order(root.path() / "job", {});
  const auto remote = open_remote("dir://" + (root.path() / "remote").string(), {});
  send_job(*remote, "job-0", read_pod_order(root.path() / "job"), root.path() / "job", "checkpoint-0");

  const Arguments mounts = {"--network=none", fmt::format("--user={}:{}", ::getuid(), ::getgid()),
                            fmt::format("--volume={}:/mlpipe", (root.path() / "pod").string()),
                            fmt::format("--volume={}:/remote", (root.path() / "remote").string())};
  for (const Arguments& command :
       {Arguments{"mlpipe-registry", "pod-bring", "dir:///remote", "job-0", "/mlpipe"},
        Arguments{"/mlpipe/.agent/mlpipe-agent", "--pod", "/mlpipe"},
        Arguments{"mlpipe-registry", "pod-record", "dir:///remote", "job-0", "/mlpipe"}}) {
    const Captured captured = run(image("agent"), mounts, command);
    EXPECT_TRUE(captured.ending.succeeded()) << command[1] << captured.output << captured.error;
  }
  EXPECT_EQ(collect_job(*remote, "job-0", 1, root.path() / "job"), Made::succeeded);
  EXPECT_NE(read_file(root.path() / "job/log").find("mlpipe-registry"), std::string::npos);
}

}  // namespace
}  // namespace mlpipe
