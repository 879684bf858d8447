#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"
#include "pipeline/deploy/container_folder.hpp"
#include "pipeline/deploy/containers.hpp"
#include "pipeline/deploy/gateway.hpp"
#include "pipeline/deploy/server_set.hpp"
#include "pipeline/deploy/target.hpp"
#include "pipeline/deploy/traffic_log.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {

// Serves from containers on one engine: copies of the server image, reachable in a network of the
// deployment's own, behind a gateway (nginx), which alone is published. What runs is known from labels, the
// rest stands in the deployment's folder. A release is served by a set of containers of its own
// (server_set.hpp): a rollout starts all of the new ones beside the old, so the machine needs room for both
// for a moment. The engine starts again what ends by itself. Not thread-safe; used under the alias's rollout
// lock, but for observe().
class ContainerTarget : public Target {
 public:
  ContainerTarget(Engine engine, Programs programs, std::filesystem::path directory,
                  ContainerServing serving);
  ContainerTarget(const ContainerTarget&) = delete;
  ContainerTarget& operator=(const ContainerTarget&) = delete;

  // The deployment that stands in a folder, as it was begun. Throws Error when its engine is not there any
  // more.
  static std::unique_ptr<ContainerTarget> existing(const std::filesystem::path& directory, Programs programs);

  ServingState observe() override;
  WantedServing wanted() const override;
  void bring_up(const ServedRelease& candidate) override;
  void weigh(const ServedRelease& candidate, const ServedRelease& current, int percent) override;
  void renew_weight() override;
  Traffic traffic() override;
  void probe(const ServedRelease& release, std::size_t requests) override;
  void shift(const ServedRelease& candidate) override;
  void settle(const ServedRelease& candidate) override;
  void withdraw(const ServedRelease& previous) override;
  void stop() override;
  std::optional<HttpReply> ask(const std::string& path, std::string_view json) override;

  // What its containers wrote last, each line with its container's name before it.
  std::string log(std::size_t lines) const;
  // compose.yaml of the same shape, with that release.
  std::string compose(const std::string& model, const ServedRelease& release) const;

 private:
  ServerSet servers() const;
  std::string set_that_serves(const ServedRelease& release) const;
  void ensure_network();
  std::string read_subnet() const;
  int choose_port() const;
  void route_to(const std::string& set, const std::string& candidate, int weight);
  void remove_sets_but(const std::string& set) const;

  Engine engine_;
  Programs programs_;
  ContainerFolder folder_;
  ContainerServing serving_;
  ContainerState state_;
  Gateway gateway_;
  std::optional<TrafficLog> traffic_log_;
};

}  // namespace mlpipe
