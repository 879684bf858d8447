#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "pipeline/store/history.hpp"

namespace mlpipe {

// A run by its number, or "last". UsageError that says which there are.
RunRecord find_run(const History& history, const std::string& name);

// One value that differs between two of something; nothing where it is missing.
struct ValueChange {
  std::optional<std::string> before;
  std::optional<std::string> after;
};
std::map<std::string, ValueChange> changed_values(const std::map<std::string, std::string>& before,
                                                  const std::map<std::string, std::string>& after);
// The same for metrics, as texts.
std::map<std::string, ValueChange> changed_values(const std::map<std::string, double>& before,
                                                  const std::map<std::string, double>& after);

nlohmann::ordered_json to_json(const ValueChange& change);
// Its id, when and how long it ran, metrics, and outputs by digest.
nlohmann::ordered_json result_json(const Result& result);
// "accuracy 0.98  loss 0.1"
std::string shown_metrics(const std::map<std::string, double>& metrics);

}  // namespace mlpipe
