#include "pipeline/exec/committer.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// How long a step may wait for others to be written down with. A sync and a transaction take about 1 ms.
constexpr auto patience = 20ms;

}  // namespace

void Committer::becomes_due() {
  if (!due_) {
    due_ = Clock::now() + patience;
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

std::vector<Committer::Committed> Committer::commit() {
  std::vector<Committed> committed;
  if (!due_) {
    return committed;
  }
  store_.blobs().sync();
  Transaction transaction(store_.database());
  for (const PlannedStep* planned : realizations_) {
    store_.add_realization(pipeline_, planned->step->name, planned->derivation, *planned->action,
                           planned->step->params);
  }
  for (const Ended& ended : ended_) {
    const Result& result = *ended.planned->result;
    committed.push_back({ended.index, result.id != 0 ? result.id : store_.add_result(result)});
    if (run_ != 0) {
      store_.add_run_step(run_, ended.planned->step->name, ended.planned->action_key,
                          name_of(ended.planned->state), committed.back().result);
    }
  }
  transaction.commit();
  for (Ended& ended : ended_) {
    if (ended.lock) {
      trash_.take(ended.job.directory);
      if (ended.planned->result->succeeded) {
        trash_.take(store_.checkpoint_directory(ended.planned->action_key));
      }
      ended.lock->move_away(trash_.place());
    }
  }
  trash_.empty_if_full();
  realizations_.clear();
  ended_.clear();
  due_.reset();
  return committed;
}

}  // namespace mlpipe
