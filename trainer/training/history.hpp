#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace mlpipe {

// What a training saw of itself at one moment: after some of its batches, or at the end of an epoch.
struct Observation {
  std::int64_t step = 0;   // batches so far, from the first epoch on
  std::int64_t epoch = 0;  // from 1
  bool epoch_ended = false;
  std::vector<std::pair<std::string, double>> values;
};

// From the first batch to now, of all attempts that led here.
using History = std::vector<Observation>;

nlohmann::ordered_json to_json(const Observation& observation);
Observation observation_from(const nlohmann::ordered_json& json);  // throws what nlohmann throws

// metrics.jsonl: {"step":120,"epoch":2,"batch_loss":0.31,"learning_rate":0.001}, and at the end of an epoch
// {"step":160,"epoch":2,"train_loss":0.3,"accuracy":0.97,…}: no times, so the same bytes for the same
// training.
std::string line_of(const Observation& observation);

// Observations of batches are thinned to about this many in a training.
inline constexpr std::int64_t most_batch_observations = 1000;

}  // namespace mlpipe
