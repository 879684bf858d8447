#pragma once

#include <vector>

#include "pipeline/model/safetensors.hpp"
#include "trainer/network/network_module.hpp"
#include "trainer/training/checkpoint.hpp"
#include "trainer/training/process_group.hpp"
#include "trainer/training/weight_optimizer.hpp"

namespace mlpipe {

// The tensors of a checkpoint: the network's, the optimizer's, and the weights of the best epoch where those
// are kept.
std::vector<NamedTensor> save_tensors(const NetworkModule& module, const WeightOptimizer& optimizer,
                                      const std::vector<NamedTensor>& best_weights);

// Puts them back; returns the weights of the best epoch. Throws Error when one is missing or of another
// shape.
std::vector<NamedTensor> restore_tensors(const std::vector<NamedTensor>& tensors, NetworkModule& module,
                                         WeightOptimizer& optimizer);

// Gives all processes what the first has read from a checkpoint, but for the history and the best weights,
// which it alone needs.
void share_state(const ProcessGroup& group, NetworkModule& module, WeightOptimizer& optimizer,
                 TrainingState& state);

}  // namespace mlpipe
