#pragma once

#include "pipeline/model/model.hpp"

namespace mlpipe {

// What stands for a whole model: the digest of its model.yaml where that names the weights by theirs, else of
// both. `written` is the model as model.yaml has it.
inline Digest digest_of_model(const Model& written, const Digest& description, const Digest& weights) {
  return written.weights.is_zero() ? digest_of(description.hex() + weights.hex()) : description;
}

}  // namespace mlpipe
