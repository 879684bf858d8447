#pragma once

#include <cstdint>
#include <optional>

namespace mlpipe {

// How the requests that went to one release ended, since the shares of traffic last changed.
struct Observation {
  std::uint64_t requests = 0;  // with an answer, or a failure that was the server's
  std::uint64_t errors = 0;    // of them: no answer, or a status from 500
  std::optional<double> p50;   // seconds until the answer; nothing: there was none
  std::optional<double> p99;

  double error_rate() const {
    return requests == 0 ? 0 : static_cast<double>(errors) / static_cast<double>(requests);
  }
};

struct Traffic {
  Observation candidate;
  Observation current;
};

}  // namespace mlpipe
