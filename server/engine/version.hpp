#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/error.hpp"
#include "server/engine/servable.hpp"

namespace mlpipe {

// An example for which the model has no finite score: its values are too far from what it was trained on.
class UnscorableExample : public Error {
 public:
  explicit UnscorableExample(std::size_t index);
  std::size_t index() const { return index_; }

 private:
  std::size_t index_;
};

// What one version has done since it was loaded.
struct VersionCounts {
  std::uint64_t requests = 0;  // answered
  std::uint64_t failures = 0;  // turned down
  std::uint64_t examples = 0;
  std::uint64_t executions = 0;  // forward calls
  std::chrono::nanoseconds computing{0};
};

// One version of a model, warmed up and ready. Whoever holds it can go on using it after another one took
// over. Thread-safe.
class ModelVersion {
 public:
  ModelVersion(std::string label, std::filesystem::path directory, std::unique_ptr<const Servable> servable);

  const std::string& label() const { return label_; }
  const std::filesystem::path& directory() const { return directory_; }
  const Model& model() const { return servable_->model(); }
  const Digest& digest() const { return digest_; }
  std::chrono::system_clock::time_point loaded_at() const { return loaded_at_; }

  // Calls the model with examples from the middle of its range until every size of batch that predict uses
  // has been met; throws Error when it does not answer as its model.yaml says.
  void warm_up();

  // rows: FP32 [count, values]; returns FP32 [count, labels], all finite. A large count is computed piece by
  // piece, so that memory stays bounded. Throws UnscorableExample.
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const;

  // A request that asked for this version and was turned down.
  void count_failure() const { ++failures_; }
  VersionCounts counts() const;

 private:
  std::vector<float> compute(std::span<const float> rows, std::size_t count) const;

  std::string label_;
  std::filesystem::path directory_;
  std::unique_ptr<const Servable> servable_;
  Digest digest_;
  std::chrono::system_clock::time_point loaded_at_;
  mutable std::atomic<std::uint64_t> requests_{0};
  mutable std::atomic<std::uint64_t> failures_{0};
  mutable std::atomic<std::uint64_t> examples_{0};
  mutable std::atomic<std::uint64_t> executions_{0};
  mutable std::atomic<std::int64_t> computing_{0};
};

}  // namespace mlpipe
