#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

// The tensors of a weights' file, taken one by one by a network, which must want all of them. Faults are
// Errors that name the file.
class WeightTable {
 public:
  // `weights` must outlive the table and every tensor that was taken and not copied; `file` is for messages.
  WeightTable(const std::vector<NamedTensor>& weights, std::string file);

  // The values where they lie, not to be written to. Throws Error when there is none of that name, or of
  // another shape.
  at::Tensor take(const std::string& name, const Shape& shape);
  // Throws Error when a tensor is left that nobody took.
  void require_all_taken() const;

 private:
  std::string file_;
  std::map<std::string, const NamedTensor*> left_;
};

}  // namespace mlpipe
