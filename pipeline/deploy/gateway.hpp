#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/container/engine.hpp"
#include "pipeline/deploy/container_folder.hpp"
#include "pipeline/deploy/containers.hpp"
#include "pipeline/deploy/gateway_configuration.hpp"
#include "pipeline/deploy/http.hpp"

namespace mlpipe {

// The container that requests come in by: nginx, which spreads them over the servers of a deployment, and
// which mlpipe reaches those servers through. It runs until the deployment ends; what changes is its
// configuration. Not thread-safe, but for get() and post() once it runs.
class Gateway {
 public:
  // Both must outlive it.
  Gateway(const Engine& engine, const ContainerFolder& folder) : engine_(engine), folder_(folder) {}

  std::string name() const { return "mlpipe-" + folder_.identity() + "-gateway"; }
  std::string network() const { return "mlpipe-" + folder_.identity(); }

  // Has it run with that image, and listen at that place; with a configuration in the folder, and in the
  // network. Throws Error when the place is taken.
  void ensure(const ContainerServing& serving, const ContainerState& state);

  // Has it work as the routes say, without losing a request; returns once it does. The routes' token is the
  // folder's.
  void put_in_force(Routes routes);
  // Until what began under an earlier configuration has ended.
  void wait_for_old_requests() const;

  // Through the control port; nothing when it does not answer in time.
  std::optional<HttpReply> get(const std::string& path, std::chrono::milliseconds timeout) const;
  std::optional<HttpReply> post(const std::string& path, std::string_view json,
                                std::chrono::milliseconds timeout) const;

  void remove() const;

 private:
  std::optional<Container> find() const;
  void start(const ContainerServing& serving, const ContainerState& state, const std::string& shape);
  void find_control_port(const std::optional<Container>& gateway);
  bool answers(const std::string& generation) const;
  std::string last_words() const;

  const Engine& engine_;
  const ContainerFolder& folder_;
  int control_port_ = 0;
};

// "docker run" and its like failed: `doing` is what for.
Error container_failure(const Engine& engine, const std::string& doing, const Captured& captured);

// What every container of a deployment is kept to: no privileges, nothing to write to but /tmp, a user that
// owns nothing; what ends by itself is started again.
std::vector<std::string> confinement();

// Gives a container an IPv4 address in a network. Podman would choose another hardware address each time that
// a container starts, and its neighbours would look for the old one for up to half a minute: there it follows
// from the address. Docker sees to that itself, and not each of its versions can be told.
std::vector<std::string> placement(EngineKind kind, const std::string& network, const std::string& address);

}  // namespace mlpipe
