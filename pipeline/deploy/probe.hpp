#pragma once

#include <cstddef>
#include <string>

#include "pipeline/model/model.hpp"

namespace mlpipe {

// A request in Open Inference Protocol v2 with one example within the ranges that the model's training data
// had; another one for each number, the same for the same.
std::string probe_body(const Model& model, std::size_t number);

// Where it is posted: at a version by its label, or, when that is empty, at what the server chooses.
std::string probe_path(const Model& model, const std::string& version);

}  // namespace mlpipe
