#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "pipeline/model/safetensors.hpp"
#include "pipeline/model/training.hpp"
#include "trainer/training/stop.hpp"

namespace mlpipe {

// Examples as the network takes them: scaled, FP32 [count, shape…], and their classes. Views; the caller owns
// them.
struct NetworkExamples {
  std::span<const float> values;
  std::span<const std::int64_t> classes;
};

struct EpochResult {
  std::int64_t epoch = 0;  // from 1
  double loss = 0;         // mean cross-entropy of the training examples, as they were trained on
  double accuracy = 0;     // share of held-out examples whose class has the highest score
  double samples_per_second = 0;
  double seconds_left = 0;
};

struct TrainedNetwork {
  std::vector<NamedTensor> weights;
  EpochResult last;
};

// Trains the network, whose shapes are inferred, from first weights that the seed decides. The same arguments
// and number of compute threads give the same weights. Calls `after_epoch` after each epoch. Throws Error
// when the loss is no longer a number, Stopped when it is asked to stop.
TrainedNetwork train_network(const Training& training, const NetworkExamples& examples,
                             const NetworkExamples& held_out, const StopRequest& stop,
                             const std::function<void(const EpochResult&)>& after_epoch);

}  // namespace mlpipe
