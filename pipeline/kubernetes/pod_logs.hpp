#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "pipeline/kubernetes/api.hpp"
#include "pipeline/kubernetes/pod_lines.hpp"
#include "pipeline/kubernetes/step_log.hpp"

namespace mlpipe {

// Follows what the pods of one step print into its log, each by a stream that is taken up where it was cut.
class PodLogs {
 public:
  // `runs` says whether the pod's job still does.
  PodLogs(Api& api, StepLog& log, std::string name_space, std::function<bool(const std::string& pod)> runs);
  ~PodLogs() { close(); }
  PodLogs(const PodLogs&) = delete;
  PodLogs& operator=(const PodLogs&) = delete;

  bool follows(const std::string& pod) const { return pods_.contains(pod); }
  // With `progress`, of which only one pod of a step has a say.
  void follow(const std::string& pod, bool progress);
  // Nothing more is written; what was followed is still known.
  void close();

 private:
  struct Followed {
    std::unique_ptr<PodLines> lines;
    Http::Id stream = 0;
    int tries = 0;
  };

  void open(const std::string& pod);
  void take_end(const std::string& pod, const ApiAnswer& answer);

  Api& api_;
  StepLog& log_;
  std::string name_space_;
  std::function<bool(const std::string&)> runs_;
  std::map<std::string, Followed> pods_;
  std::shared_ptr<int> open_ = std::make_shared<int>(0);
};

}  // namespace mlpipe
