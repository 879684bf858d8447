#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/plan/result.hpp"

namespace mlpipe {

// The JSON texts that the index keeps in its columns. Each reader throws Error for what its writer does not
// write: a damaged index is named, never believed.
//   outputs   [{"name": "model", "folder": true, "digest": "67ac…", "bytes": 5120}, …]
//   metrics   {"accuracy": 0.98, "check.f1": 0.91}
//   params    {"lr": "0.001"}
std::string outputs_text(const std::vector<Output>& outputs);
std::vector<Output> parse_outputs(const std::string& text);
std::string metrics_text(const std::map<std::string, double>& metrics);
std::map<std::string, double> parse_metrics(const std::string& text);
std::string params_text(const std::map<std::string, std::string>& params);
std::map<std::string, std::string> parse_params(const std::string& text);

}  // namespace mlpipe
