#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/training/process_group.hpp"

namespace mlpipe {

// The gradients of several processes, summed. All weights' gradients are views of one tensor, so that a step
// needs one collective. In it travel also the loss and whether a process was asked to stop: so all know both
// after the same batch.
class SharedGradient {
 public:
  SharedGradient(std::vector<at::Tensor> weights, const ProcessGroup& group);

  // Sets it to zero; before the backward pass, which adds to it.
  void clear();
  // Sums it over all processes. `loss` is this process's share and becomes the sum. Returns whether any
  // process was asked to stop.
  bool add_up(at::Tensor& loss, bool asked_to_stop);

 private:
  std::vector<at::Tensor> weights_;
  const ProcessGroup& group_;
  at::Tensor all_;  // the gradients, the loss, how many were asked to stop
};

}  // namespace mlpipe
