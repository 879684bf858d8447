#include "pipeline/deploy/version_counts.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// The version was loaded again meanwhile when it has counted less than before: then all of it is new.
std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
  return now >= before ? now - before : now;
}

std::optional<double> quantile(const std::map<double, std::uint64_t>& classes, double share) {
  std::uint64_t total = 0;
  for (const auto& [bound, count] : classes) {
    total += count;
  }
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
  std::uint64_t seen = 0;
  for (const auto& [bound, count] : classes) {
    seen += count;
    if (count > 0 && seen >= wanted) {
      return bound;
    }
  }
  return std::nullopt;
}

}  // namespace

Observation VersionCounts::since(const VersionCounts& before) const {
  std::map<double, std::uint64_t> classes;
  for (const auto& [bound, count] : latencies) {
    const auto earlier = before.latencies.find(bound);
    classes[bound] = grown(count, earlier == before.latencies.end() ? 0 : earlier->second);
  }
  Observation observation;
  observation.errors = grown(errors, before.errors);
  observation.requests = grown(answered, before.answered) + observation.errors;
  observation.p50 = quantile(classes, 0.5);
  observation.p99 = quantile(classes, 0.99);
  return observation;
}

VersionCounts counts_in(const Json& state, const std::string& version) {
  VersionCounts counts;
  try {
    for (const Json& model : state.at("models")) {
      for (const Json& each : model.at("versions")) {
        if (each.at("version") == version) {
          counts.answered = each.at("requests");
          counts.errors = each.at("errors");
          for (const Json& latency : each.at("latencies")) {
            counts.latencies[latency.at(0)] = latency.at(1);
          }
        }
      }
    }
  } catch (
      const Json::exception&) {  // a server of another version: it has counted nothing that is known here
    return {};
  }
  return counts;
}

}  // namespace mlpipe
