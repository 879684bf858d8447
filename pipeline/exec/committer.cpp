#include "pipeline/exec/committer.hpp"

#include <algorithm>

#include "pipeline/store/history.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// How long a step may wait for others to be written down with. A sync and a transaction take about 1 ms;
// where they take long, groups are larger, so that most of the time is left for the jobs.
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

void Committer::becomes_due() {
  if (!due_) {
    due_ =
        Clock::now() + std::clamp<Clock::duration>(patience_by_cost * cost_, least_patience, most_patience);
  }
}

void Committer::add(Ended ended) {
  ended_.push_back(std::move(ended));
  becomes_due();
}

void Committer::add_realization(const PlannedStep& planned) {
  realizations_.push_back(&planned);
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

std::vector<Committer::Committed> Committer::commit() {
  std::vector<Committed> committed;
  if (!due_) {
    return committed;
  }
  const Clock::time_point begin = Clock::now();
  store_.blobs().sync();
  for (const Ended& ended : ended_) {
    remove_checkpoints(ended);  // before there is a row, so that no later job of the key takes them up
  }
  Transaction transaction(store_.database());
  for (const PlannedStep* planned : realizations_) {
    store_.add_realization(pipeline_, planned->step->name, planned->derivation, *planned->action,
                           planned->step->params);
  }
  for (const Ended& ended : ended_) {
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
  cost_ = Clock::now() - begin;
  bool any_long = false;
  for (Ended& ended : ended_) {
    if (ended.lock) {
      any_long |= ended.planned->result->finished - ended.planned->result->started > short_job;
      trash_.take(ended.job.directory);
      ended.lock->move_away(trash_.place());
    }
  }
  if (any_long) {
    trash_.empty();
  }
  realizations_.clear();
  ended_.clear();
  due_.reset();
  return committed;
}

}  // namespace mlpipe
