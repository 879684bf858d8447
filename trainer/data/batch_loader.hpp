#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/model/preprocessing.hpp"
#include "pipeline/model/training_data.hpp"
#include "trainer/data/dataset.hpp"

namespace mlpipe {

// A batch as the network takes it: augmented, encoded and scaled.
struct LoadedBatch {
  std::span<const float> values;          // [count, network input…]
  std::span<const std::int64_t> classes;  // [count]; empty for regression
  std::span<const float> targets;  // [count, width] in the targets' own units; empty but for regression
  std::size_t count = 0;
};

// Memory for batches, freed by the pointer; for example pinned, so that a GPU can fetch from it. Called on
// the thread that makes the loader.
using AllocateBytes = std::function<std::shared_ptr<void>(std::size_t bytes)>;

struct LoaderOptions {
  std::size_t batch = 32;    // examples in each but the last
  int workers = 0;           // threads that fill batches ahead; 0: next() does it
  std::size_t ahead = 2;     // with workers: how many filled batches wait at most
  AllocateBytes allocate{};  // otherwise the heap
};

// Hands out the examples of a part in a given order, in batches that worker threads fill ahead of the
// consumer. The same order and seed give the same batches, whatever the number of workers. Used from one
// thread; destroying it, also in the middle of an epoch, waits for what the workers are at.
class BatchLoader {
 public:
  // `part` must outlive the loader. `raw` is the shape of an example; only images can be augmented.
  BatchLoader(const Part& part, const Shape& raw, const Preprocessing& preprocessing,
              const std::optional<Augmentation>& augmentation, const LoaderOptions& options);
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;
  ~BatchLoader();

  // Begins an epoch over these examples of the part, positions from 0 to its count, at its batch
  // `first_batch`; what was left of the epoch before is dropped. `seed` decides the augmentation.
  void start_epoch(std::vector<std::size_t> order, std::uint64_t seed, std::size_t first_batch = 0);

  // The next batch, valid until the next call, or null when the epoch is over. Throws what reading its
  // examples threw, in the order of the batches.
  const LoadedBatch* next();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace mlpipe
