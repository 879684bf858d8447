#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace mlpipe {

// An example that was answered.
struct AnsweredExample {
  std::string model;
  std::string version;
  std::vector<float> values;  // raw
};

// The examples that were answered last, by the ids of their requests, so that feedback can name one. Bounded
// in bytes; the oldest go first. Thread-safe.
class RecentExamples {
 public:
  explicit RecentExamples(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Of two with one id the later one stays.
  void remember(const std::string& id, AnsweredExample example);
  std::optional<AnsweredExample> find(const std::string& id) const;

 private:
  struct Entry {
    AnsweredExample example;
    std::size_t serial;
  };
  static std::size_t bytes_of(const std::string& id, const AnsweredExample& example);
  void forget_oldest();

  const std::size_t most_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<std::string, Entry> examples_;
  std::deque<std::pair<std::string, std::size_t>> order_;  // id and serial
  std::size_t bytes_ = 0;
  std::size_t serial_ = 0;
};

}  // namespace mlpipe
