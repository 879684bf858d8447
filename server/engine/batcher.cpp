#include "server/engine/batcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace mlpipe {
namespace {

// Throws for the first example that has a score which is no number.
void require_finite(std::span<const float> scores, std::size_t labels) {
  const auto lost =
      std::find_if_not(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); });
  if (lost != scores.end()) {
    throw UnscorableExample(static_cast<std::size_t>(lost - scores.begin()) / labels);
  }
}

// Whether it was for the client to avoid.
bool is_client_fault(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const RequestCancelled&) {
    return true;
  } catch (const DeadlineExceeded&) {
    return true;
  } catch (const UnscorableExample&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

UnscorableExample::UnscorableExample(std::size_t index)
    : Error("the model has no finite score for these values",
            "they are too far from those that it was trained on"),
      index_(index) {}

Batcher::Batcher(Compute compute, std::size_t values, std::size_t labels, BatchLimits limits,
                 Executor& executor)
    : compute_(std::move(compute)), values_(values), labels_(labels), limits_(limits), executor_(executor) {}

void Batcher::submit(InferenceTask task) {
  std::vector<Waiting> abandoned;
  bool is_full = false;
  bool starts = false;
  std::size_t waiting = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto fits = [&] {
      return queue_.empty() || counts_.waiting + task.count <= limits_.queued_examples;
    };
    if (!fits()) {
      take_abandoned(abandoned);
    }
    is_full = !fits();
    if (is_full) {
      ++counts_.failures;
      ++counts_.errors;
    } else {
      counts_.waiting += task.count;
      queue_.push_back({std::move(task), EngineClock::now()});
      starts = running_ < limits_.instances;
      running_ += starts ? 1 : 0;
      waiting = queue_.size();
    }
  }
  give_up(abandoned);
  if (is_full) {
    throw QueueFull("the model's queue is full, try again");
  }
  if (starts) {
    run_later(waiting);
  } else if (limits_.delay.count() > 0) {
    grown_.notify_one();
  }
}

bool Batcher::has_room() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty() || counts_.waiting < limits_.queued_examples;
}

std::vector<float> Batcher::compute(std::span<const float> rows, std::size_t count) const {
  std::vector<float> scores = call(rows, count);
  require_finite(scores, labels_);
  return scores;
}

std::vector<float> Batcher::call(std::span<const float> rows, std::size_t count) const {
  std::vector<float> scores = compute_(rows, count);
  if (scores.size() != count * labels_) {
    throw Error(fmt::format("the model answered {} scores for {} examples, but has {} labels", scores.size(),
                            count, labels_));
  }
  return scores;
}

void Batcher::count_failure() {
  const std::lock_guard lock(mutex_);
  ++counts_.failures;
}

BatchCounts Batcher::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

// `seen`: how many requests wait.
void Batcher::run_later(std::size_t seen) {
  (near_ != nullptr ? *near_ : executor_).run_soon([self = shared_from_this(), seen] { self->run(seen); });
}

// One batch; what came meanwhile waits behind what other models have to do.
void Batcher::run(std::size_t seen) {
  if (near_ != nullptr && has_grown(seen)) {  // there may be more to read
    run_later(seen);
    return;
  }
  std::vector<Waiting> abandoned;
  Batch batch = take(abandoned);
  give_up(abandoned);
  if (!batch.empty()) {
    compute_batch(batch);
  }
  batch.clear();
  {
    const std::lock_guard lock(mutex_);
    seen = queue_.size();
    if (seen == 0) {
      --running_;
      return;
    }
  }
  run_later(seen);
}

// Whether more requests wait than were seen.
bool Batcher::has_grown(std::size_t& seen) const {
  const std::lock_guard lock(mutex_);
  return queue_.size() > std::exchange(seen, queue_.size());
}

// Whole requests, in their order, up to the largest batch; at least one.
Batcher::Batch Batcher::take(std::vector<Waiting>& abandoned) {
  std::unique_lock lock(mutex_);
  if (limits_.delay.count() > 0 && !queue_.empty()) {
    const auto until = queue_.front().since + limits_.delay;
    grown_.wait_until(lock, until, [this] { return counts_.waiting >= limits_.largest_batch; });
  }
  take_abandoned(abandoned);
  Batch batch;
  std::size_t examples = 0;
  while (!queue_.empty() &&
         (batch.empty() || examples + queue_.front().task.count <= limits_.largest_batch)) {
    examples += queue_.front().task.count;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  counts_.waiting -= examples;
  return batch;
}

void Batcher::take_abandoned(std::vector<Waiting>& abandoned) {
  const auto now = EngineClock::now();
  const auto is_abandoned = [now](const Waiting& waiting) {
    return waiting.task.cancelled.stop_requested() || waiting.task.deadline <= now;
  };
  const auto first = std::stable_partition(queue_.begin(), queue_.end(), std::not_fn(is_abandoned));
  for (auto each = first; each != queue_.end(); ++each) {
    counts_.waiting -= each->task.count;
  }
  abandoned.insert(abandoned.end(), std::move_iterator(first), std::move_iterator(queue_.end()));
  queue_.erase(first, queue_.end());
}

void Batcher::give_up(std::vector<Waiting>& abandoned) {
  for (Waiting& waiting : abandoned) {
    const bool is_cancelled = waiting.task.cancelled.stop_requested();
    finish(waiting,
           is_cancelled ? std::make_exception_ptr(RequestCancelled("the client is gone"))
                        : std::make_exception_ptr(DeadlineExceeded(
                              "the time that the request gave was over before the model was free")),
           {});
  }
}

void Batcher::compute_batch(Batch& batch) {
  const auto start = EngineClock::now();
  std::size_t examples = 0;
  for (const Waiting& waiting : batch) {
    examples += waiting.task.count;
  }
  std::vector<float> scores;
  std::exception_ptr failure;
  try {
    std::vector<float> together;
    std::span<const float> rows = batch.front().task.rows;
    if (batch.size() > 1) {
      together.reserve(examples * values_);
      for (const Waiting& waiting : batch) {
        together.insert(together.end(), waiting.task.rows.begin(), waiting.task.rows.end());
      }
      rows = together;
    }
    scores = compute_pieces(rows, examples);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure && batch.size() > 1) {  // perhaps one of them spoils it for the others: each alone
    for (Waiting& waiting : batch) {
      Batch alone;
      alone.push_back(std::move(waiting));
      compute_batch(alone);
    }
    return;
  }
  const auto computed = EngineClock::now() - start;
  {
    const std::lock_guard lock(mutex_);
    counts_.computing += computed;
    counts_.examples += failure ? 0 : examples;
  }
  std::size_t first = 0;
  for (Waiting& waiting : batch) {
    Inference inference;
    inference.queued = start - waiting.since;
    inference.computed = computed;
    std::exception_ptr own_failure = failure;
    if (!failure) {
      const auto own = std::span(scores).subspan(first * labels_, waiting.task.count * labels_);
      try {
        require_finite(own, labels_);
        inference.scores.assign(own.begin(), own.end());
      } catch (...) {
        own_failure = std::current_exception();
      }
    }
    first += waiting.task.count;
    finish(waiting, own_failure, std::move(inference));
  }
}

std::vector<float> Batcher::compute_pieces(std::span<const float> rows, std::size_t count) {
  std::vector<float> scores;
  for (std::size_t first = 0; first < count; first += limits_.largest_batch) {
    const std::size_t piece = std::min(limits_.largest_batch, count - first);
    std::vector<float> part = call(rows.subspan(first * values_, piece * values_), piece);
    if (piece == count) {
      scores = std::move(part);
    } else {
      scores.insert(scores.end(), part.begin(), part.end());
    }
    const std::lock_guard lock(mutex_);
    ++counts_.executions;
  }
  return scores;
}

void Batcher::finish(Waiting& waiting, std::exception_ptr failure, Inference inference) {
  const bool is_error = failure && !is_client_fault(failure);
  {
    const std::lock_guard lock(mutex_);
    ++(failure ? counts_.failures : counts_.requests);
    counts_.errors += is_error ? 1 : 0;
    counts_.queued += inference.queued;
    if (!failure) {
      const std::chrono::nanoseconds latency = EngineClock::now() - waiting.since;
      counts_.answering += latency;
      counts_.latencies.add(latency);
      counts_.last_answer = std::chrono::system_clock::now();
    }
  }
  const InferenceDone done = std::move(waiting.task.done);
  try {
    done(std::move(failure), std::move(inference));
  } catch (...) {
    // Out of memory for one answer: its client is told nothing, the others go on.
  }
}

}  // namespace mlpipe
