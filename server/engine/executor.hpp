#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mlpipe {

// Where forward calls run. Thread-safe.
class Executor {
 public:
  using Task = std::function<void()>;

  virtual ~Executor() = default;
  // Runs the task later, on a thread of its own choice. Tasks must not throw.
  virtual void run_soon(Task task) = 0;
};

// A fixed number of threads that run tasks in the order in which they came.
class ThreadPool : public Executor {
 public:
  explicit ThreadPool(unsigned threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() override;

  void run_soon(Task task) override;

  // Runs what is left and ends the threads; later tasks are not run. The destructor does it too.
  void finish();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

// Hands tasks on to another executor while one is attached, and else to its own fallback. Thread-safe.
class AttachableExecutor : public Executor {
 public:
  // The fallback must outlive it.
  explicit AttachableExecutor(Executor& fallback) : fallback_(fallback) {}

  // `other` must outlive its attachment.
  void attach(Executor& other);
  // No task reaches the other one any more when it returns.
  void detach();
  void run_soon(Task task) override;

 private:
  Executor& fallback_;
  std::mutex mutex_;
  Executor* other_ = nullptr;  // under the mutex
};

}  // namespace mlpipe
