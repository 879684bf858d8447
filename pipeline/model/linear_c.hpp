#pragma once

#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {

// A linear model as one file of C99 without includes: `int predict(const float x[N])` takes a raw example (a
// category as its index) and returns the index of the best label, the scaling included; `labels` holds the
// labels' texts. The same model and weights give the same text. Throws UsageError for a model that is not
// linear (a single `linear` layer, after `flatten` or not) or does not choose among labels, and Error for
// weights that are not the network's.
std::string linear_model_as_c(const Model& model, const std::vector<NamedTensor>& weights);

}  // namespace mlpipe
