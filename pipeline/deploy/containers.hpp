#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/container/engine.hpp"

namespace mlpipe {

// The labels that say what a container of a deployment is; what else there is to know of it, the engine
// knows.
namespace container_label {
inline constexpr const char* deployment = "mlpipe.deployment";
inline constexpr const char* alias = "mlpipe.alias";
inline constexpr const char* role = "mlpipe.role";        // "gateway", "server"
inline constexpr const char* set = "mlpipe.set";          // of servers that are all alike
inline constexpr const char* version = "mlpipe.version";  // of the release
inline constexpr const char* model = "mlpipe.model";      // digest of its folder
inline constexpr const char* server = "mlpipe.server";    // id of the server image
inline constexpr const char* shape = "mlpipe.shape";
inline constexpr const char* address = "mlpipe.address";  // in the deployment's network
}  // namespace container_label

// A container as the engine describes it.
struct Container {
  std::string id;
  std::string name;
  std::map<std::string, std::string> labels;
  std::string state;   // "running", "exited", "restarting", …
  std::string health;  // "healthy", "unhealthy", "starting"; empty: it has no health check
  int restarts = 0;
  bool out_of_memory = false;  // it was killed for its memory the last time
  std::map<int, int> ports;    // published on the host, by the port inside

  bool runs() const { return state == "running"; }
  std::string label(const std::string& wanted) const;
};

// What `docker inspect` and `podman inspect` print of containers.
std::vector<Container> parse_containers(std::string_view json);

// The containers with that label, whatever their state, by their names. Throws Error when the engine cannot
// be asked.
std::vector<Container> containers_labelled(const Engine& engine, const std::string& label,
                                           const std::string& value);

}  // namespace mlpipe
