#include "trainer/training/history.hpp"

#include <cmath>

namespace mlpipe {
namespace {

using nlohmann::ordered_json;

ordered_json values_of(const Observation& observation) {
  ordered_json values = ordered_json::object();
  for (const auto& [name, value] : observation.values) {
    values[name] = value;
  }
  return values;
}

}  // namespace

ordered_json to_json(const Observation& observation) {
  return {{"step", observation.step},
          {"epoch", observation.epoch},
          {"epoch_ended", observation.epoch_ended},
          {"values", values_of(observation)}};
}

Observation observation_from(const ordered_json& json) {
  Observation observation;
  json.at("step").get_to(observation.step);
  json.at("epoch").get_to(observation.epoch);
  json.at("epoch_ended").get_to(observation.epoch_ended);
  for (const auto& [name, value] : json.at("values").items()) {
    // JSON has no word for what is no number
    observation.values.emplace_back(name, value.is_null() ? std::nan("") : value.get<double>());
  }
  return observation;
}

std::string line_of(const Observation& observation) {
  ordered_json line = {{"step", observation.step}, {"epoch", observation.epoch}};
  line.update(values_of(observation));
  return line.dump() + "\n";
}

}  // namespace mlpipe
