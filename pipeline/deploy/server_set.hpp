#pragma once

#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"
#include "pipeline/deploy/container_folder.hpp"
#include "pipeline/deploy/containers.hpp"
#include "pipeline/deploy/gateway.hpp"
#include "pipeline/deploy/target.hpp"

namespace mlpipe {

inline constexpr int server_admin_port = 8081;  // of mlpipe-serve in a container

// The servers of one release in a deployment: containers that are all alike. Release, image and shape make up
// the set's name, so that whatever changes is another set, which can be started beside.
class ServerSet {
 public:
  // All must outlive it.
  ServerSet(const Engine& engine, const ContainerFolder& folder, const Gateway& gateway,
            const ContainerServing& serving, const std::string& subnet,
            const std::filesystem::path& registry_program)
      : engine_(engine),
        folder_(folder),
        gateway_(gateway),
        serving_(serving),
        subnet_(subnet),
        registry_program_(registry_program) {}

  static std::string name_of(const ServedRelease& release, const ContainerServing& serving);

  // Has all of them run and answer that they are ready. Throws Error with the last words of one that does
  // not.
  void start(const ServedRelease& release);

 private:
  struct Place {
    int number;  // from 1
    std::string address;
  };

  std::vector<Place> missing_places(const std::string& set);
  void start_one(const ServedRelease& release, const std::string& set, const std::string& image,
                 const Place& place) const;
  std::vector<std::string> program_arguments(const ServedRelease& release, const std::string& image) const;
  std::vector<std::string> resource_arguments() const;
  void wait_until_ready(const ServedRelease& release, const std::string& set);

  const Engine& engine_;
  const ContainerFolder& folder_;
  const Gateway& gateway_;
  const ContainerServing& serving_;
  const std::string& subnet_;
  const std::filesystem::path& registry_program_;
};

// The containers of a deployment that hold servers.
std::vector<Container> servers_of(const Engine& engine, const ContainerFolder& folder);
std::vector<Container> in_set(const std::vector<Container>& servers, const std::string& set);
std::vector<std::string> addresses_of(const std::vector<Container>& servers);

// They finish what is in flight, and are no more.
void remove_servers(const Engine& engine, const std::vector<Container>& servers);

}  // namespace mlpipe
