#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace mlpipe {

// A value that is exchanged while others use it: who got it before goes on with what it got. Thread-safe.
template <typename Value>
class Current {
 public:
  explicit Current(std::shared_ptr<Value> value) : value_(std::move(value)) {}

  std::shared_ptr<Value> get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  void set(std::shared_ptr<Value> value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Value> value_;
};

}  // namespace mlpipe
