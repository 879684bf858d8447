#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pipeline/deploy/traffic.hpp"

namespace mlpipe {

// What mlpipe-serve has counted of one version since it was loaded. A value.
struct VersionCounts {
  std::uint64_t answered = 0;
  std::uint64_t errors = 0;
  std::map<double, std::uint64_t>
      latencies;  // how many took up to so many seconds, and more than the one before

  // What was counted since `before`. A latency is known to a fifth: it is the end of its class.
  Observation since(const VersionCounts& before) const;
};

// Of a version by its label, in what /admin/state answers; zeros when it is not loaded.
VersionCounts counts_in(const nlohmann::json& state, const std::string& version);

}  // namespace mlpipe
