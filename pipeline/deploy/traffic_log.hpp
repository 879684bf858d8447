#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/deploy/traffic.hpp"

namespace mlpipe {

// What the gateway writes for each request (gateway_configuration.hpp): the servers that it asked, one after
// the other, with the status and the seconds of each: "10.1.0.16:8080, 10.1.0.17:8080|502, 200|0.000, 0.004".
// So what another server made good counts as an error of the first. Reads on where it stopped; a value.
class TrafficLog {
 public:
  // `candidate` and `current` are the addresses of each release's servers.
  TrafficLog(std::filesystem::path file, std::set<std::string> candidate, std::set<std::string> current);

  // All that was written so far; nothing when the file is not there yet.
  Traffic read();

 private:
  struct Counted {
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    std::vector<double> seconds;  // of what was answered

    Observation observation() const;
  };

  void take_line(std::string_view line);

  std::filesystem::path file_;
  std::set<std::string> candidate_;
  std::set<std::string> current_;
  std::uint64_t position_ = 0;
  Counted of_candidate_;
  Counted of_current_;
};

}  // namespace mlpipe
