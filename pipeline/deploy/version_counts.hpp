#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "pipeline/deploy/traffic.hpp"

namespace mlpipe {

// What mlpipe-serve has counted of one version since it was loaded. A value.
struct VersionCounts {
  std::uint64_t answered = 0;
  std::uint64_t errors = 0;
  std::map<double, std::uint64_t>
      latencies;  // how many took up to so many seconds, and more than the one before

  // The classes are wide: a latency is taken to lie evenly within its class, not at its end.
  bool wide_classes = false;

  // What was counted since `before`.
  VersionCounts grown_since(const VersionCounts& before) const;
  void add(const VersionCounts& other);
  // Of mlpipe-serve's own classes a latency is known to a fifth: it is the end of its class.
  Observation observation() const;
  Observation since(const VersionCounts& before) const { return grown_since(before).observation(); }
};

// Of a version by its label, in what /admin/state answers; zeros when it is not loaded.
VersionCounts counts_in(const nlohmann::json& state, const std::string& version);

// Of a server that holds one version, in what it answers to GET /metrics: what was asked for predictions, by
// HTTP and gRPC.
VersionCounts counts_in_metrics(std::string_view text);

}  // namespace mlpipe
