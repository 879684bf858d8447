#include "server/feedback/feedback_writer.hpp"

#include <utility>

namespace mlpipe {
namespace {

std::size_t bytes_of(const Feedback& feedback) {
  return sizeof(Feedback) + feedback.values.size() * sizeof(float);
}

}  // namespace

FeedbackWriter::FeedbackWriter(std::shared_ptr<FeedbackLog> log, Limits limits)
    : log_(std::move(log)), limits_(limits), thread_([this] { work(); }) {}

FeedbackWriter::~FeedbackWriter() {
  finish();
}

bool FeedbackWriter::write(Feedback feedback, Done done) {
  {
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = bytes_of(feedback);
    const bool fits =
        waiting_.empty() || (waiting_.size() < limits_.entries && bytes_ + bytes <= limits_.bytes);
    if (ending_ || !fits) {
      return false;
    }
    bytes_ += bytes;
    waiting_.push_back({std::move(feedback), std::move(done)});
  }
  changed_.notify_one();
  return true;
}

void FeedbackWriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void FeedbackWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    std::vector<Waiting> group = std::exchange(waiting_, {});
    bytes_ = 0;
    lock.unlock();
    write_together(std::move(group));
    lock.lock();
  }
}

void FeedbackWriter::write_together(std::vector<Waiting> group) {
  std::vector<Feedback> all;
  std::vector<FeedbackLog::Outcome> outcomes;
  std::exception_ptr failure;
  try {
    all.reserve(group.size());
    for (Waiting& each : group) {
      all.push_back(std::move(each.feedback));
    }
    outcomes = log_->append(all);
  } catch (...) {
    failure = std::current_exception();
    outcomes.assign(group.size(), FeedbackLog::Outcome::known);
  }
  for (std::size_t i = 0; i < group.size(); ++i) {
    try {
      group[i].done(failure, outcomes[i]);
    } catch (...) {
      // Out of memory for one answer: its client is told nothing, the others go on.
    }
  }
}

}  // namespace mlpipe
