#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// What is learned, and what a network's last values mean.
//   classification  logits, one for each label; the predictor gives their softmax
//   binary          one logit, that of the second of two labels; the predictor gives [1 - p, p]
//   svm             a margin for each label, two labels included; the predictor gives them as they are
//   regression      a value for each target column, standardised; the predictor gives the targets' own units
enum class Task { classification, binary, regression, svm };

std::string task_name(Task task);
std::optional<Task> task_named(std::string_view name);
std::vector<std::string> task_names();

// How many values a network ends with, by the number of labels (regression: of target columns). That is also
// what `linear: auto` stands for. Nothing while it is not known.
std::optional<std::int64_t> network_outputs(Task task, std::optional<std::int64_t> labels);

}  // namespace mlpipe
