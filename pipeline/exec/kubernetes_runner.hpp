#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/cluster/place.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/exec/runner.hpp"

namespace mlpipe {

// Runs jobs as Jobs of a Kubernetes cluster. A job's folder holds pod.json (cluster/pod_order.hpp) beside
// job.json; what travels does so through the remote. mlpipe-kubernetes does the talking, in one process for
// all jobs of a run, which is started with the first: it follows the job's log and progress into its folder,
// listens at its `control`, and leaves there what a local job would have left. Jobs outlive it and this
// process; a later start of the same order takes up a Job that is there. Should it be killed it is started
// again and does that; when it ends by itself the jobs that run are lost, with its last words.
class KubernetesRunner : public Runner {
 public:
  struct Options {
    ClusterAccess access;
    std::string remote;             // the URL of `remote:`
    std::filesystem::path store;    // for people who look at the list of processes
    std::filesystem::path program;  // mlpipe-kubernetes
  };

  // `hear` gets sentences that are about all of the run: the cluster is away, it is back. Called on a thread
  // of its own, one call at a time, and not after destruction. (What a single job waits for is told in its
  // log and its progress.)
  KubernetesRunner(Options options, std::function<void(const std::string&)> hear);
  KubernetesRunner(const KubernetesRunner&) = delete;
  KubernetesRunner& operator=(const KubernetesRunner&) = delete;
  ~KubernetesRunner() override;

  FileDescriptor start(const PreparedJob& job, const FileLock& lock) override;
  void cancel(const PreparedJob& job) override;

 private:
  struct Running {
    std::map<std::string, std::string> secrets;
    FileDescriptor lock;
    FileDescriptor ended;  // its closing tells the executor
  };

  // All with the mutex held.
  void start_program();
  void send_start(const std::string& directory, const Running& running) const;
  void lose_all(const ProcessEnding& ending);

  void follow();
  void read_events();
  void take_event(const std::string& line);

  Options options_;
  std::function<void(const std::string&)> hear_;

  std::mutex mutex_;       // guards what follows
  FileDescriptor errors_;  // what the program says on standard error
  FileDescriptor socket_;  // its standard input and output
  std::optional<Process> program_;
  std::map<std::string, Running> running_;  // by the job's folder
  int starts_ = 0;
  bool closing_ = false;
  std::thread follower_;  // reads what the program says, and starts it again
};

}  // namespace mlpipe
