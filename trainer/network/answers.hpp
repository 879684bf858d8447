#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

#include "pipeline/model/model.hpp"

namespace mlpipe {

// FP32 [batch, network input…] → [batch, network outputs], which mean what the task says. Called in inference
// mode, by any number of threads at once.
using Forward = std::function<at::Tensor(at::Tensor batch)>;

// What Predictor::predict returns, computed by whatever network: rows are preprocessed, and what the network
// gives becomes scores as the task has it. A large request is computed in pieces. Throws Error for rows that
// are not count × values, or when the network gives something else than the task's outputs.
std::vector<float> answers_of(const Model& model, std::span<const float> rows, std::size_t count,
                              const Forward& forward);

}  // namespace mlpipe
