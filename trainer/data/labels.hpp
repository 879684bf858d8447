#pragma once

#include <string>
#include <vector>

namespace mlpipe {

// Sorts them by value when all are numbers, else by their bytes, and leaves out what is there twice.
void sort_labels(std::vector<std::string>& labels);

// A UsageError for what is no UTF-8, since that could be written neither to model.yaml nor to a JSON answer.
// `what` is its kind: "label", "column".
void require_utf8(const std::string& text, const std::string& source, const char* what);

}  // namespace mlpipe
