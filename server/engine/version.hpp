#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/engine/batcher.hpp"
#include "server/engine/servable.hpp"

namespace mlpipe {

// One version of a model: its queue and what it has counted. Whoever holds it can go on using it after
// another one took over. Thread-safe.
class ModelVersion {
 public:
  // The executor must outlive the version and what was submitted to it.
  ModelVersion(std::string label, std::filesystem::path directory, std::unique_ptr<const Servable> servable,
               BatchLimits limits, Executor& executor);

  const std::string& label() const { return label_; }
  const std::filesystem::path& directory() const { return directory_; }
  const Model& model() const { return servable_->model(); }
  const Digest& digest() const { return digest_; }
  std::chrono::system_clock::time_point loaded_at() const { return loaded_at_; }
  const BatchLimits& limits() const { return limits_; }

  // Calls the model with examples from the middle of its range until every size of batch that matters has
  // been met, and returns the processor time of the largest; throws Error when it does not answer as its
  // model.yaml says.
  std::chrono::nanoseconds warm_up();

  // See Batcher::use_near.
  void use_near(Executor& near) { batcher_->use_near(near); }

  // See Batcher::submit.
  void submit(InferenceTask task) const { batcher_->submit(std::move(task)); }
  bool has_room() const { return batcher_->has_room(); }

  // Submits and waits. rows: FP32 [count, values]; returns FP32 [count, labels]. Not for threads of the
  // executor, which would wait for themselves.
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const;

  // A request that asked for this version and was turned down before it was submitted.
  void count_failure() const { batcher_->count_failure(); }
  BatchCounts counts() const { return batcher_->counts(); }

 private:
  std::string label_;
  std::filesystem::path directory_;
  std::shared_ptr<const Servable> servable_;
  Digest digest_;
  BatchLimits limits_;
  std::chrono::system_clock::time_point loaded_at_;
  std::shared_ptr<Batcher> batcher_;
};

}  // namespace mlpipe
