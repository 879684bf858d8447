#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/process.hpp"
#include "pipeline/cluster/kubectl.hpp"

namespace mlpipe {

// Some objects of a cluster as they change, told by watches (`kubectl get --watch`, one child for each kind)
// and not by asking again and again. A watch that breaks off is begun again, for as long as somebody waits.
// One thread at a time.
class ClusterWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `kubectl` must outlive it.
  ClusterWatch(const Kubectl& kubectl, std::string name_space, std::string selector,
               const std::vector<std::string>& kinds);
  ~ClusterWatch();
  ClusterWatch(const ClusterWatch&) = delete;
  ClusterWatch& operator=(const ClusterWatch&) = delete;

  // Waits until something has changed, or the time has come. Throws Error when it may not watch.
  void wait(Time until);
  // Of that kind, as they are now; none while a watch has not told any.
  std::vector<nlohmann::json> objects(const std::string& kind) const;
  // Why a watch was broken off, while none has told anything since; empty: all is well.
  const std::string& interruption() const { return interruption_; }

 private:
  struct Source {
    std::string kind;
    std::optional<Process> process;
    FileDescriptor events;
    FileDescriptor error;
    std::string unread;
    std::map<std::string, nlohmann::json> objects;  // by name
    Time next_start{};
  };

  void start(Source& source);
  void take(Source& source);
  void end(Source& source);

  const Kubectl& kubectl_;
  std::string name_space_;
  std::string selector_;
  std::vector<Source> sources_;
  std::string interruption_;
};

}  // namespace mlpipe
