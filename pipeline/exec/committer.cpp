#include "pipeline/exec/committer.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/store/history.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// How long a step may wait for others to be written down with. A sync and a transaction take about 1 ms;
// where they take long, groups are larger, so that most of the disk's time is left for the jobs.
constexpr auto least_patience = 20ms;
constexpr auto most_patience = 500ms;
constexpr int patience_by_cost = 5;
// What a job of less than this worked with is small enough to stay until the end of the run.
constexpr auto short_job = 1s;

// With the id that its new result has just been given.
RunStepRecord record_of(const PlannedStep& planned, std::int64_t result) {
  RunStepRecord record = mlpipe::record_of(planned.step->name, planned);
  record.ran = result;
  std::replace(record.chosen.begin(), record.chosen.end(), std::int64_t{0}, result);
  return record;
}

}  // namespace

Committer::Committer(Store& store, std::string pipeline, std::int64_t run, std::filesystem::path agent)
    : store_(store),
      pipeline_(std::move(pipeline)),
      run_(run),
      agent_(std::move(agent)),
      trash_(store.trash_directory()),
      wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (!wake_) {
    throw_errno("making a descriptor to wait for the disk with");
  }
}

Committer::~Committer() {
  try {
    remover_.reset();
    remove_in_background();
  } catch (const std::exception&) {  // a destructor must not throw; the next run or gc removes it
  }
}

void Committer::becomes_due() {
  if (!due_) {
    due_ =
        Clock::now() + std::clamp<Clock::duration>(patience_by_cost * cost_, least_patience, most_patience);
  }
}

void Committer::add(Ended ended) {
  waiting_.ended.push_back(std::move(ended));
  becomes_due();
}

void Committer::add_realization(const PlannedStep& planned) {
  waiting_.realizations.push_back(&planned);
  becomes_due();
}

void Committer::remove_checkpoints(const Ended& ended) {
  if (!ended.lock) {
    return;
  }
  const std::filesystem::path checkpoints = store_.checkpoint_directory(ended.planned->action_key);
  std::error_code not_empty;
  if (ended.planned->result->succeeded) {
    trash_.take(checkpoints);
  } else {
    std::filesystem::remove(checkpoints, not_empty);
  }
}

void Committer::start_sync() {
  begin_ = Clock::now();
  group_ = std::exchange(waiting_, {});
  due_.reset();
  sync_ = std::async(std::launch::async, [sync = store_.blobs().sync_later(), wake = wake_.get()] {
    const auto tell = [wake] { ::eventfd_write(wake, 1); };
    try {
      sync();
    } catch (...) {
      tell();
      throw;
    }
    tell();
  });
}

std::vector<Committer::Committed> Committer::finish_sync() {
  sync_.get();
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  for (const Ended& ended : group_.ended) {
    remove_checkpoints(ended);  // before there is a row, so that no later job of the key takes them up
  }
  std::vector<Committed> committed = write_rows(group_);
  cost_ = Clock::now() - begin_;
  clear_away(group_);
  group_ = {};
  return committed;
}

std::vector<Committer::Committed> Committer::write_rows(const Group& group) {
  std::vector<Committed> committed;
  Transaction transaction(store_.database());
  for (const PlannedStep* planned : group.realizations) {
    store_.add_realization(pipeline_, planned->step->name, planned->derivation, *planned->action,
                           planned->step->params);
  }
  for (const Ended& ended : group.ended) {
    const std::optional<Result>& result = ended.planned->result;
    committed.push_back({ended.index, 0});
    if (result) {
      committed.back().result = result->id != 0 ? result->id : store_.add_result(*result);
    }
    if (run_ != 0) {
      History(store_).add_step(run_, record_of(*ended.planned, committed.back().result));
    }
  }
  transaction.commit();
  return committed;
}

void Committer::clear_away(Group& group) {
  bool any_long = false;
  for (Ended& ended : group.ended) {
    if (ended.lock) {
      any_long |= ended.planned->result->finished - ended.planned->result->started > short_job;
      trash_.take(ended.job.directory);
      ended.lock->move_away(trash_.place());
    }
  }
  if (any_long) {
    remove_in_background();
  }
}

void Committer::remove_in_background() {
  const bool busy = remover_ && !remover_->poll();
  if (!busy && trash_.leave()) {
    remover_ = start_removal(agent_, store_.trash_directory());
  }
}

}  // namespace mlpipe
