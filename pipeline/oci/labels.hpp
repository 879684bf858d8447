#pragma once

#include <map>
#include <string>
#include <vector>

namespace mlpipe {

// Reads "NAME=VALUE" each; UsageError for anything else.
std::map<std::string, std::string> parse_labels(const std::vector<std::string>& texts);

}  // namespace mlpipe
