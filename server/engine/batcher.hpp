#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "pipeline/base/error.hpp"
#include "server/engine/executor.hpp"
#include "server/engine/latencies.hpp"

namespace mlpipe {

using EngineClock = std::chrono::steady_clock;

// The queue is full: try again later, or elsewhere.
class QueueFull : public Error {
 public:
  using Error::Error;
};

// The time that the client gave was over before a forward call began.
class DeadlineExceeded : public Error {
 public:
  using Error::Error;
};

// The client is gone; nobody reads this.
class RequestCancelled : public Error {
 public:
  using Error::Error;
};

// An example for which the model has no finite score: its values are too far from what it was trained on.
class UnscorableExample : public Error {
 public:
  explicit UnscorableExample(std::size_t index);
  std::size_t index() const { return index_; }

 private:
  std::size_t index_;
};

struct BatchLimits {
  std::size_t queued_examples = 1024;  // what waits; a request larger than that waits alone
  std::size_t largest_batch = 64;      // examples; a larger request is computed piece by piece
  std::chrono::microseconds delay{0};  // how long a batch that is not full may wait for more
  unsigned instances = 1;              // forward calls at the same time
};

// What the examples of one request got.
struct Inference {
  std::vector<float> scores;  // FP32 [count, labels], all finite
  std::chrono::nanoseconds queued{0};
  std::chrono::nanoseconds computed{0};  // the forward calls that it was part of
};

// Gets the scores, or why there are none. Called once, by a thread of the executor.
using InferenceDone = std::function<void(std::exception_ptr, Inference)>;

struct InferenceTask {
  std::vector<float> rows;  // FP32 [count, values]
  std::size_t count = 0;
  EngineClock::time_point deadline = EngineClock::time_point::max();
  std::stop_token cancelled = {};
  InferenceDone done;
};

struct BatchCounts {
  std::uint64_t requests = 0;    // answered
  std::uint64_t failures = 0;    // not, for whatever reason
  std::uint64_t errors = 0;      // of them: for a reason that was not the client's
  std::uint64_t examples = 0;    // computed
  std::uint64_t executions = 0;  // forward calls
  std::chrono::nanoseconds queued{0};
  std::chrono::nanoseconds computing{0};  // forward calls, each counted once
  std::chrono::nanoseconds answering{0};  // from the request to its scores
  std::size_t waiting = 0;                // examples in the queue now
  std::chrono::system_clock::time_point last_answer = {};
  Latencies latencies = {};  // of what was answered, from the request to its scores
};

// The bounded queue of one model version, and what makes batches of it. It conserves work: an instance that
// is free takes what waits, at once and whatever its size; what comes while all are busy makes the next batch
// larger. Only a `delay` that was asked for makes it wait. Thread-safe. Made by make_shared; a batch under
// way keeps it alive.
class Batcher : public std::enable_shared_from_this<Batcher> {
 public:
  // rows: FP32 [count, values]; returns FP32 [count, labels]. Called by `instances` threads at once.
  using Compute = std::function<std::vector<float>(std::span<const float> rows, std::size_t count)>;

  // The executor must outlive the batcher.
  Batcher(Compute compute, std::size_t values, std::size_t labels, BatchLimits limits, Executor& executor);

  // Lets a fast model be computed by the threads that read requests, which saves it changing threads. What
  // has arrived is read before a batch is computed. Before the first task, and not with a delay. It must
  // outlive the batcher as the other one must.
  void use_near(Executor& near) { near_ = &near; }

  // Throws QueueFull, and then never calls task.done. The done of every other task is called once: also when
  // it was cancelled (RequestCancelled) or too late (DeadlineExceeded), which both leave the queue without a
  // forward call.
  void submit(InferenceTask task);

  // Whether submit would take one example more now: to turn a request away before it is read.
  bool has_room() const;

  // Computes at once, in this thread, beside the queue. Throws UnscorableExample.
  std::vector<float> compute(std::span<const float> rows, std::size_t count) const;

  void count_failure();
  BatchCounts counts() const;

 private:
  struct Waiting {
    InferenceTask task;
    EngineClock::time_point since;
  };
  using Batch = std::vector<Waiting>;

  void run_later(std::size_t seen);
  void run(std::size_t seen);
  bool has_grown(std::size_t& seen) const;
  Batch take(std::vector<Waiting>& abandoned);
  void take_abandoned(std::vector<Waiting>& abandoned);
  void compute_batch(Batch& batch);
  std::vector<float> call(std::span<const float> rows, std::size_t count) const;
  std::vector<float> compute_pieces(std::span<const float> rows, std::size_t count);
  void finish(Waiting& waiting, std::exception_ptr failure, Inference inference);
  void give_up(std::vector<Waiting>& abandoned);

  const Compute compute_;
  const std::size_t values_;
  const std::size_t labels_;
  const BatchLimits limits_;
  Executor& executor_;
  Executor* near_ = nullptr;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable grown_;
  std::deque<Waiting> queue_;
  unsigned running_ = 0;
  BatchCounts counts_;
};

}  // namespace mlpipe
