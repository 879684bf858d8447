#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/cluster/pod_order.hpp"
#include "pipeline/exec/kubernetes_runner.hpp"
#include "tests/cluster/packed_image.hpp"

namespace mlpipe {

// One namespace, one registry and the images in it, for all tests of a program.
struct JobsPlace {
  JobsPlace();

  Cluster cluster{"jobs"};
  TestRegistry registry;
  std::string jobs;
  std::string agent;
};

// Jobs of a KubernetesRunner, each in a folder of its own.
class KubernetesJobTest : public ClusterImageTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  static const JobsPlace& place();
  static const Cluster& cluster() { return place().cluster; }

  // A runner that finds the cluster by this kubeconfig.
  std::unique_ptr<KubernetesRunner> runner_of(const std::filesystem::path& kubeconfig);
  KubernetesRunner& runner();

  Job shell(const std::string& script) const;
  PodOrder order() const;  // equal each time it is asked for in a test
  // Lays the folder out anew.
  void prepare(const Job& job, const PodOrder& order);
  void start(const Job& job, const PodOrder& order);
  void start(const Job& job) { start(job, order()); }
  // Waits for the end.
  Ending ending();
  Ending run(const Job& job) {
    start(job);
    return ending();
  }

  std::filesystem::path directory() const { return folder_->path() / "job"; }
  std::filesystem::path work(const std::string& name) const { return directory() / "work" / name; }
  std::string log() const { return read_file_if_exists(directory() / "log").value_or(""); }
  void wait_for_log(const std::string& part) const;
  std::vector<std::string> heard() const;

  // The first pod of the Job that has it.
  std::string pod(const std::string& job) const;
  std::string job_name(int number = 0) const;
  // In the container of the job.
  void touch_in_pod(const std::string& file) const;
  Json jobs() const;

  Job waiting_job(const std::string& then) const;  // until touch_in_pod("go")
  pid_t co_process() const;

  std::map<std::string, std::string> secrets_;
  ClusterAccess access_;
  std::filesystem::path kubeconfig_;  // of runner()

 private:
  std::unique_ptr<TemporaryDirectory> folder_;
  Environment before_ = own_environment();
  mutable std::mutex mutex_;
  std::vector<std::string> heard_;
  std::unique_ptr<KubernetesRunner> runner_;
  std::optional<FileLock> lock_;
  FileDescriptor ended_;
};

}  // namespace mlpipe
