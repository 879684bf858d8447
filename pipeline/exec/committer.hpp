#pragma once

#include <chrono>
#include <filesystem>
#include <future>
#include <optional>
#include <vector>

#include "pipeline/base/trash.hpp"
#include "pipeline/exec/runner.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// Writes down how steps ended, a group at a time: one sync brings the bytes of all of them to disk, one
// transaction their rows. What follows a step may start before that; it is reported as ended after. Until
// then the job's folder is there and its key locked: another mlpipe waits and finds the row, or, when this
// one was killed, the folder to collect. The sync goes on in a thread of its own, so that the next jobs need
// not wait for the disk; all else happens in the calls. Not thread-safe.
class Committer {
 public:
  using Clock = std::chrono::steady_clock;

  // A `run` of 0 is not in the history.
  // `agent` is the path of mlpipe-agent, which removes what jobs worked with, in the background.
  Committer(Store& store, std::string pipeline, std::int64_t run, std::filesystem::path agent);
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;
  ~Committer();

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

  // When start_sync() should be called; nothing when nothing waits, or a sync is under way.
  std::optional<Clock::time_point> due() const { return syncing() ? std::nullopt : due_; }
  // Starts to bring what waits to disk. What is added from now on waits for the next time.
  void start_sync();
  bool syncing() const { return sync_.valid(); }
  // Becomes readable (poll) when the sync under way has ended.
  int sync_ended() const { return wake_.get(); }

  struct Committed {
    std::size_t index = 0;
    std::int64_t result = 0;  // its id; 0: it did not run
  };
  // Waits for the sync under way and writes down what it was for: on disk when it returns. In the order in
  // which it was added.
  std::vector<Committed> finish_sync();

 private:
  struct Group {
    std::vector<const PlannedStep*> realizations;
    std::vector<Ended> ended;
  };

  void becomes_due();
  // Those of a job that succeeded; of one that failed only a folder that it left empty.
  void remove_checkpoints(const Ended& ended);
  std::vector<Committed> write_rows(const Group& group);
  void clear_away(Group& group);
  void remove_in_background();

  Store& store_;
  std::string pipeline_;
  std::int64_t run_;
  std::filesystem::path agent_;
  Trash trash_;  // folders of jobs that have been collected
  std::optional<Process> remover_;
  Group waiting_;
  std::optional<Clock::time_point> due_;
  Group group_;  // what the sync under way is for
  Clock::time_point begin_;
  Clock::duration cost_{};  // of the last group
  FileDescriptor wake_;
  std::future<void> sync_;  // destroyed first: it waits for its thread
};

}  // namespace mlpipe
