#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "pipeline/exec/runner.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/store/store.hpp"
#include "pipeline/store/trash.hpp"

namespace mlpipe {

// Writes down how steps ended, many at a time: one sync brings the bytes of all of them to disk, one
// transaction their rows. What follows a step may start before that; it is reported as ended after. Until
// then the job's folder is there and its key locked: another mlpipe waits and finds the row, or, when this
// one was killed, the folder to collect. Not thread-safe.
class Committer {
 public:
  using Clock = std::chrono::steady_clock;

  // A `run` of 0 is not in the history.
  Committer(Store& store, std::string pipeline, std::int64_t run)
      : store_(store), pipeline_(std::move(pipeline)), run_(run), trash_(store.trash_directory()) {}

  // A step that has ended; what it stands for is in `planned`, which must stay where it is.
  struct Ended {
    std::size_t index = 0;
    const PlannedStep* planned = nullptr;
    PreparedJob job;
    std::optional<FileLock> lock;  // of the key
  };
  // Its result is new when it has no id.
  void add(Ended ended);
  // What a step stands for from now on.
  void add_realization(const PlannedStep& planned);

  // When what waits should be written down; nothing when nothing waits.
  std::optional<Clock::time_point> due() const { return due_; }

  struct Committed {
    std::size_t index = 0;
    std::int64_t result = 0;  // its id; 0: it did not run
  };
  // Writes down what waits; on disk when it returns. In the order in which it was added.
  std::vector<Committed> commit();

 private:
  void becomes_due();
  // Those of a job that succeeded; of one that failed only a folder that it left empty.
  void remove_checkpoints(const Ended& ended);

  Store& store_;
  std::string pipeline_;
  std::int64_t run_;
  Trash trash_;  // folders of jobs that have been collected
  std::vector<const PlannedStep*> realizations_;
  std::vector<Ended> ended_;
  std::optional<Clock::time_point> due_;
  Clock::duration cost_{};  // of the last commit
};

}  // namespace mlpipe
