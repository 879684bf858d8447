#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "pipeline/base/process.hpp"

namespace mlpipe {

// A process that has ended.
struct Ended {
  pid_t pid;
  ProcessEnding ending;
};

// All processes that descend from this one, also those that left their group or session: this process adopts
// them when their parent ends (it is their "subreaper"). One per process.
class Family {
 public:
  Family();

  // Children, own or adopted, that ended since the last call. Never waits.
  std::vector<Ended> reap() const;
  // No descendant is left.
  bool is_empty() const;

  // A signal to the whole group of a child that has not been reaped, and to what descends from it outside of
  // it.
  void signal_tree(pid_t leader, int signal) const;
  // The same for several, and to every other descendant; a leader of 0 is none.
  void signal_all(std::span<const pid_t> leaders, int signal) const;
  // SIGKILL to what is left of the group of a child that has been reaped.
  void kill_rest_of_group(pid_t leader) const;
  // Every child, own or adopted, that has not ended.
  std::vector<pid_t> children() const;
  // SIGKILL to every child, own or adopted. Their children become ours, so calling this until is_empty() ends
  // all, without a look at process ids that may have been given to others meanwhile.
  void kill_children() const;
};

}  // namespace mlpipe
