#pragma once

#include <string>
#include <vector>

namespace mlpipe {

// Where the gateway's container sees what mlpipe writes for it, and where it writes itself. A tmpfs would not
// do: podman gives it another mode when the container starts again.
inline constexpr const char* gateway_folder =
    "/etc/mlpipe-gateway";  // read-only: nginx.conf, lease/, closing
inline constexpr const char* gateway_own_folder = "/var/lib/mlpipe-gateway";  // what it writes
inline constexpr int gateway_port = 8080;                                     // the public one
inline constexpr int gateway_control_port = 8081;                             // for mlpipe alone

// How the gateway spreads requests. A value.
struct Routes {
  std::string generation;  // that /generation answers with, once this is in force
  std::string token;       // that the control port asks for; empty: there is no such port
  std::string subnet;      // "10.1.0.": only servers in it can be asked through the control port
  int server_port = 8080;
  int admin_port = 0;                  // 0: the servers have none
  std::vector<std::string> serving;    // addresses, without port
  std::vector<std::string> candidate;  // of a canary
  int weight = 0;                      // the candidate's share, in percent
  std::string traffic_log;             // the name of a file; empty: requests are not written down
};

// nginx.conf. Besides what stands in it, the gateway looks at two things in its folder at each request, which
// therefore change without a reload:
//   closing     while it is there, each answer closes its connection. Before a reload: what nginx then closes
//               is idle for longer than a busy client's next request takes to come.
//   lease/TIME  the candidate gets its share only while there is a file of the present ten seconds' name
//               (lease_name()). So nobody has to take it back from a candidate whose mlpipe was killed.
std::string gateway_configuration(const Routes& routes);

// "2026-11-21T20:31:4": ISO 8601 in UTC, cut off in the middle of the seconds.
std::string lease_name(long long seconds_since_epoch);

}  // namespace mlpipe
