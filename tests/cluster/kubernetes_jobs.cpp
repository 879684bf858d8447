#include "tests/cluster/kubernetes_jobs.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// Ends with the last test.
class PlaceOfAll : public testing::Environment {
 public:
  void TearDown() override { place.reset(); }
  std::unique_ptr<JobsPlace> place;
};

PlaceOfAll& place_of_all() {
  static auto* const all =
      static_cast<PlaceOfAll*>(testing::AddGlobalTestEnvironment(new PlaceOfAll));  // googletest owns it
  return *all;
}

[[maybe_unused]] const PlaceOfAll& known_to_googletest = place_of_all();

}  // namespace

const JobsPlace& KubernetesJobTest::place() {
  std::unique_ptr<JobsPlace>& place = place_of_all().place;
  if (!place) {
    place = std::make_unique<JobsPlace>();
  }
  return *place;
}

JobsPlace::JobsPlace() {
  for (const auto& [name, value] : registry.environment()) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  jobs = push_packed(registry, "jobs", packed_jobs());
  agent = push_packed(registry, "agent", packed_agent());
}

void KubernetesJobTest::SetUp() {
  ClusterImageTest::SetUp();
  if (IsSkipped()) {
    return;
  }
  folder_ = std::make_unique<TemporaryDirectory>();
  kubeconfig_ = cluster().kubeconfig();
  access_.pod_remote = fmt::format("oci://{}/results", place().registry.for_pods());
}

void KubernetesJobTest::TearDown() {
  runner_.reset();
  if (const auto found = before_.find("KUBECONFIG"); found != before_.end()) {
    ::setenv("KUBECONFIG", found->second.c_str(), 1);
  } else {
    ::unsetenv("KUBECONFIG");
  }
  if (place_of_all().place) {
    cluster().run({"delete", "jobs", "--all", "--cascade=foreground", "--wait=true", "--timeout=90s"});
  }
}

std::unique_ptr<KubernetesRunner> KubernetesJobTest::runner_of(const fs::path& kubeconfig) {
  ::setenv("KUBECONFIG", kubeconfig.c_str(), 1);
  return std::make_unique<KubernetesRunner>(
      KubernetesRunner::Options{access_, fmt::format("oci://{}/results", place().registry.for_nodes()),
                                folder_->path(), fs::path(MLPIPE_PROGRAMS) / "mlpipe-kubernetes"},
      [this](const std::string& sentence) {
        const std::lock_guard lock(mutex_);
        heard_.push_back(sentence);
      });
}

KubernetesRunner& KubernetesJobTest::runner() {
  if (!runner_) {
    runner_ = runner_of(kubeconfig_);
  }
  return *runner_;
}

std::vector<std::string> KubernetesJobTest::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

Job KubernetesJobTest::shell(const std::string& script) const {
  Job job;
  job.arguments = {"/bin/sh", "-c", script};
  job.work_directory = "/mlpipe/work";
  job.environment = {
      {"HOME", "/mlpipe/home"}, {"TMPDIR", "/mlpipe/tmp"}, {"MLPIPE_CHECKPOINT_DIR", "/mlpipe/checkpoints"}};
  job.grace = 5s;
  return job;
}

PodOrder KubernetesJobTest::order() const {
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  const std::string key = digest_of(fmt::format("{} {}", ::getpid(), test.name())).hex();
  PodOrder order;
  order.name = "mlpipe-" + key.substr(0, 12);
  order.key = key;
  order.pipeline = "test";
  order.step = test.name();
  order.image.name = place().jobs;
  order.agent.name = place().agent;
  return order;
}

std::string KubernetesJobTest::job_name(int number) const {
  return fmt::format("{}-{}", order().name, number);
}

void KubernetesJobTest::prepare(const Job& job, const PodOrder& order) {
  fs::create_directories(directory() / "work");
  fs::remove(directory() / "exit.json");
  write_job(directory(), job);
  write_pod_order(directory(), order);
}

void KubernetesJobTest::start(const Job& job, const PodOrder& order) {
  prepare(job, order);
  lock_ = FileLock::wait(folder_->path() / "lock");
  ended_ = runner().start({directory(), folder_->path() / "lock", secrets_}, *lock_);
}

Ending KubernetesJobTest::ending() {
  constexpr int longest_ms = 240'000;
  pollfd ended{ended_.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, longest_ms), 1) << "the job does not end: " << log();
  const std::optional<Ending> ending = read_ending(directory());
  EXPECT_TRUE(ending.has_value()) << log();
  lock_.reset();
  return ending.value_or(Ending{});
}

void KubernetesJobTest::wait_for_log(const std::string& part) const {
  wait_until("the log holds " + part, [&] { return log().find(part) != std::string::npos; });
}

std::string KubernetesJobTest::pod(const std::string& job) const {
  return cluster().ask({"get", "pods", "--selector=batch.kubernetes.io/job-name=" + job,
                        "--output=jsonpath={.items[0].metadata.name}"});
}

void KubernetesJobTest::touch_in_pod(const std::string& file) const {
  cluster().ask({"exec", pod(job_name()), "--container=job", "--", "touch", "/mlpipe/work/" + file});
}

Json KubernetesJobTest::jobs() const {
  return cluster().get({"jobs"})["items"];
}

Job KubernetesJobTest::waiting_job(const std::string& then) const {
  return shell("echo up; while [ ! -e go ]; do sleep 0.05; done; " + then);
}

// The one that this process started.
pid_t KubernetesJobTest::co_process() const {
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    const std::string line = read_file_if_exists(entry.path() / "cmdline").value_or("");
    const std::string status = read_file_if_exists(entry.path() / "status").value_or("");
    if (line.find("mlpipe-kubernetes") != std::string::npos &&
        status.find(fmt::format("PPid:\t{}\n", ::getpid())) != std::string::npos) {
      return std::stoi(name);
    }
  }
  return 0;
}

}  // namespace mlpipe
