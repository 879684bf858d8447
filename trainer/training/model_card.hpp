#pragma once

#include <string>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training.hpp"
#include "trainer/training/report.hpp"

namespace mlpipe {

// What a reader should know of the model, in Markdown: what it takes and answers, what it was trained on and
// how, how good it is on what was held out. `source` is the data's name.
std::string model_card(const Model& model, const Training& training, const Metrics& metrics,
                       const std::string& source);

}  // namespace mlpipe
