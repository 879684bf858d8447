#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mlpipe {

// Sentences for people from any thread, until one takes them.
class Sentences {
 public:
  void add(std::string sentence) {
    const std::lock_guard lock(mutex_);
    sentences_.push_back(std::move(sentence));
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(sentences_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> sentences_;
};

}  // namespace mlpipe
