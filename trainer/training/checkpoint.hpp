#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/training/history.hpp"
#include "trainer/training/schedule.hpp"

namespace mlpipe {

// All that a training is between two batches. There is no state of a random generator in it: the order of the
// examples, dropout and augmentation are functions of the seed and the place in the training.
struct TrainingState {
  std::int64_t epoch = 0;  // from 0
  std::int64_t batch = 0;  // batches of it that are done; all of them: its evaluation is next
  double loss_sum = 0;     // over the examples of these batches
  double recent_loss = 0;  // over the batches since the last observation of one
  std::int64_t recent_batches = 0;
  std::int64_t optimizer_steps = 0;
  LearningRate::State rate;
  Improvement stopping;  // what early stopping follows
  Improvement best;      // what select: best and a plateau follow
  std::int64_t best_epoch = 0;
  History history;
  std::vector<NamedTensor> tensors;  // weights, the optimizer's, the weights of the best epoch
};

// Checkpoints in a folder: checkpoint.json, which names the other file by its digest and is renamed into
// place last, and the tensors (safetensors). A crash or a full disk leaves the checkpoint before. One process
// writes at a time.
class Checkpoints {
 public:
  // `training` names what is trained: its config and its data. The folder is made when something is written.
  Checkpoints(std::filesystem::path folder, const Digest& training);

  // Nothing when there is none. Throws Error for one that is damaged or of another training.
  std::optional<TrainingState> read() const;
  // Throws Error when it cannot be written; the one before is still there.
  void write(const TrainingState& state) const;
  // Once the training has ended there is nothing to resume.
  void remove() const;

 private:
  void sweep() const;

  std::filesystem::path folder_;
  Digest training_;
};

}  // namespace mlpipe
