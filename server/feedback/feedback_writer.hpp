#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/feedback/feedback_log.hpp"

namespace mlpipe {

// Writes feedback to its log in a thread of its own, because a sync takes milliseconds: what came while one
// was under way shares the next one. Thread-safe.
class FeedbackWriter {
 public:
  struct Limits {
    std::size_t entries = 1024;                  // that wait
    std::size_t bytes = std::size_t{64} << 20U;  // of their values
  };
  // Gets how it ended, on the writer's thread: with a failure the outcome means nothing.
  using Done = std::function<void(std::exception_ptr failure, FeedbackLog::Outcome outcome)>;

  explicit FeedbackWriter(std::shared_ptr<FeedbackLog> log) : FeedbackWriter(std::move(log), Limits{}) {}
  FeedbackWriter(std::shared_ptr<FeedbackLog> log, Limits limits);
  FeedbackWriter(const FeedbackWriter&) = delete;
  FeedbackWriter& operator=(const FeedbackWriter&) = delete;
  ~FeedbackWriter();

  // Calls `done` once it is on disk, or will not be. False when too much waits already, or after finish();
  // `done` is not called then.
  bool write(Feedback feedback, Done done);

  // Writes what waits and ends the thread. The destructor does it too.
  void finish();

 private:
  struct Waiting {
    Feedback feedback;
    Done done;
  };
  void work();
  void write_together(std::vector<Waiting> group);

  std::shared_ptr<FeedbackLog> log_;
  Limits limits_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  std::size_t bytes_ = 0;
  bool ending_ = false;
  std::jthread thread_;
};

}  // namespace mlpipe
