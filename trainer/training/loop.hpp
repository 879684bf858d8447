#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/safetensors.hpp"
#include "pipeline/model/training.hpp"
#include "trainer/data/dataset.hpp"
#include "trainer/training/checkpoint.hpp"
#include "trainer/training/evaluation.hpp"
#include "trainer/training/stop.hpp"

namespace mlpipe {

class ProcessGroup;

struct EpochResult {
  std::int64_t epoch = 0;  // from 1
  double loss = 0;         // mean of the training examples, as they were trained on
  Evaluation held_out;
  double samples_per_second = 0;
  double seconds_left = 0;
};

struct TrainedNetwork {
  std::vector<NamedTensor> weights;
  std::int64_t epochs = 0;  // that were trained
  std::int64_t epoch = 0;   // from 1, the one whose weights these are
  double loss = 0;          // of the training examples in the last epoch
  History history;
  double seconds = 0;         // of this attempt
  double seconds_beside = 0;  // of these, those spent on data, logging and checkpoints
};

// What a training starts from. Referred to, not owned.
struct TrainingRun {
  const Training& training;  // its network's shapes are inferred
  const Dataset& dataset;
  const Preprocessing& preprocessing;
  const TargetScale& target;
  const ProcessGroup& group;
  const Checkpoints* checkpoints;  // null: none are written
  const StopRequest& stop;
  std::function<void(const EpochResult&)> epoch_ended;
  std::function<void(const std::string&)> tell;  // what a reader of the log should know
};

// Trains the network, from first weights that the seed decides or from the last checkpoint. The same
// arguments and number of compute threads give the same weights, whether it was interrupted or not. Throws
// Error when the loss is no longer a number or memory does not suffice, Stopped when it is asked to stop,
// after a checkpoint.
TrainedNetwork train_network(const TrainingRun& run);

}  // namespace mlpipe
