#include "server/engine/executor.hpp"

#include <utility>

namespace mlpipe {

ThreadPool::ThreadPool(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

ThreadPool::~ThreadPool() {
  finish();
}

void ThreadPool::finish() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  threads_.clear();
}

void ThreadPool::run_soon(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds ends outside of the lock
    lock.lock();
  }
}

void AttachableExecutor::attach(Executor& other) {
  const std::lock_guard lock(mutex_);
  other_ = &other;
}

void AttachableExecutor::detach() {
  const std::lock_guard lock(mutex_);
  other_ = nullptr;
}

void AttachableExecutor::run_soon(Task task) {
  const std::lock_guard lock(mutex_);
  (other_ != nullptr ? *other_ : fallback_).run_soon(std::move(task));
}

}  // namespace mlpipe
