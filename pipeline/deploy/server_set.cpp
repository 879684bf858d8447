#include "pipeline/deploy/server_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/digest.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/model_image.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

constexpr int first_address = 16;  // below: the network's own and the gateway's
constexpr int last_address = 250;
constexpr auto start_patience = 120s;
constexpr auto answer_patience = 2s;
constexpr auto poll_interval = 20ms;
constexpr auto state_interval = 2s;
constexpr const char* log_lines_shown = "20";
constexpr const char* model_folder = "/model";
constexpr const char* secret_folder = "/run/mlpipe";
constexpr const char* stop_seconds = "20";  // more than mlpipe-serve's grace

std::string why_not_ready(const Engine& engine, const Container& container, const ContainerServing& serving) {
  if (container.out_of_memory) {
    return fmt::format("it was killed for using more than its memory of {}; give it more in `resources`",
                       format_bytes(serving.resources.memory));
  }
  const Captured log = engine.run({"logs", "--tail", log_lines_shown, container.name});
  const std::string words(trim(log.error + log.output));
  return fmt::format("it is {} after {}{}{}", container.state, count_of(container.restarts, "restart"),
                     words.empty() ? "" : "\n", printable(words));
}

}  // namespace

std::string ServerSet::name_of(const ServedRelease& release, const ContainerServing& serving) {
  constexpr std::size_t digits = 8;
  const std::string text = fmt::format("{}\n{}\n{}\n{}\n", release.version, release.model.hex(),
                                       serving.server_image, serving.servers());
  return fmt::format("v{}-{}", release.version, digest_of(text).hex().substr(0, digits));
}

std::vector<Container> servers_of(const Engine& engine, const ContainerFolder& folder) {
  std::vector<Container> servers =
      containers_labelled(engine, container_label::deployment, folder.identity());
  std::erase_if(servers, [](const Container& each) { return each.label(container_label::role) != "server"; });
  return servers;
}

std::vector<Container> in_set(const std::vector<Container>& servers, const std::string& set) {
  std::vector<Container> found;
  std::copy_if(servers.begin(), servers.end(), std::back_inserter(found),
               [&set](const Container& each) { return each.label(container_label::set) == set; });
  return found;
}

std::vector<std::string> addresses_of(const std::vector<Container>& servers) {
  std::vector<std::string> addresses;
  for (const Container& server : servers) {
    addresses.push_back(server.label(container_label::address));
  }
  return addresses;
}

void remove_servers(const Engine& engine, const std::vector<Container>& servers) {
  if (servers.empty()) {
    return;
  }
  std::vector<std::string> stop = {"stop", "--time", stop_seconds};
  std::vector<std::string> remove = {"rm", "--force"};
  for (const Container& server : servers) {
    stop.push_back(server.id);
    remove.push_back(server.id);
  }
  crash_point("stop servers");
  engine.run(std::move(stop));
  const Captured removed = engine.run(std::move(remove));
  if (!removed.ending.succeeded()) {
    throw engine.failure("removing servers", removed);
  }
  crash_point("stopped servers");
}

// Those that do not run are removed; what runs stays as it is.
std::vector<ServerSet::Place> ServerSet::missing_places(const std::string& set) {
  std::set<std::string> taken;
  std::set<std::string> running;
  std::vector<Container> ended;
  for (const Container& server : servers_of(engine_, folder_)) {
    if (server.label(container_label::set) == set && !server.runs()) {
      ended.push_back(server);
      continue;
    }
    taken.insert(server.label(container_label::address));
    running.insert(server.name);
  }
  remove_servers(engine_, ended);
  std::vector<Place> places;
  int next = first_address;
  for (int number = 1; number <= serving_.replicas; ++number) {
    if (running.contains(fmt::format("mlpipe-{}-{}-{}", folder_.identity(), set, number))) {
      continue;
    }
    while (next <= last_address && taken.contains(subnet_ + std::to_string(next))) {
      ++next;
    }
    if (next > last_address) {
      throw Error("there is no address left for another server in the deployment's network");
    }
    places.push_back({number, subnet_ + std::to_string(next++)});
  }
  return places;
}

std::vector<std::string> ServerSet::resource_arguments() const {
  std::vector<std::string> arguments;
  const Resources& resources = serving_.resources;
  if (resources.cpu != 0) {
    arguments.insert(arguments.end(),
                     {"--cpus", fmt::format("{:.3f}", static_cast<double>(resources.cpu) / 1000)});
  }
  if (resources.memory != 0) {
    arguments.insert(arguments.end(), {"--memory", std::to_string(resources.memory)});
  }
  if (resources.gpu.value_or(0) > 0) {
    if (engine_.kind() == EngineKind::docker) {
      arguments.insert(arguments.end(), {"--gpus", std::to_string(*resources.gpu)});
    } else {
      for (int device = 0; device < *resources.gpu; ++device) {
        arguments.insert(arguments.end(), {"--device", fmt::format("nvidia.com/gpu={}", device)});
      }
    }
  }
  return arguments;
}

std::vector<std::string> ServerSet::program_arguments(const ServedRelease& release,
                                                      const std::string& image) const {
  if (!serving_.is_own_server()) {
    std::vector<std::string> arguments = {"--env", fmt::format("MLPIPE_MODEL={}", model_folder), "--env",
                                          fmt::format("MLPIPE_MODEL_VERSION={}", release.version), image};
    arguments.insert(arguments.end(), serving_.command.begin(), serving_.command.end());
    return arguments;
  }
  return {"--mount",
          fmt::format("type=bind,src={},dst={},readonly", folder_.secret().string(), secret_folder),
          "--entrypoint",
          "mlpipe-serve",
          image,
          "--model",
          model_folder,
          "--version",
          release.version,
          "--host",
          "0.0.0.0",
          "--port",
          std::to_string(serving_.container_port),
          "--admin-host",
          "0.0.0.0",
          "--admin-port",
          std::to_string(server_admin_port),
          "--admin-token-file",
          std::string(secret_folder) + "/admin-token",
          "--drain-delay",
          "0"};  // the gateway has no traffic for it any more when it is told to end
}

void ServerSet::start_one(const ServedRelease& release, const std::string& set, const std::string& image,
                          const Place& place) const {
  const std::string name = fmt::format("mlpipe-{}-{}-{}", folder_.identity(), set, place.number);
  std::vector<std::string> arguments = {"run", "--detach", "--name", name};
  const auto add = [&arguments](const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
  };
  const auto label = [&add](const char* what, const std::string& value) {
    add({"--label", fmt::format("{}={}", what, value)});
  };
  label(container_label::deployment, folder_.identity());
  label(container_label::alias, serving_.alias);
  label(container_label::role, "server");
  label(container_label::set, set);
  label(container_label::version, release.version);
  label(container_label::model, "sha256:" + release.model.hex());
  label(container_label::server, serving_.server_image);
  label(container_label::shape, serving_.servers());
  label(container_label::address, place.address);
  add(confinement());
  add(placement(engine_.kind(), gateway_.network(), place.address));
  add(resource_arguments());
  if (!serving_.model_in_image) {
    add({"--mount",
         fmt::format("type=bind,src={},dst={},readonly", release.directory.string(), model_folder)});
  }
  add(program_arguments(release, image));
  crash_point("start a server");
  const Captured started = engine_.run(std::move(arguments));
  if (!started.ending.succeeded()) {
    throw container_failure(
        engine_, fmt::format("starting server {} of release {}", place.number, release.version), started);
  }
  crash_point("started a server");
}

void ServerSet::start(const ServedRelease& release) {
  const std::string set = name_of(release, serving_);
  const std::vector<Place> places = missing_places(set);
  if (!places.empty()) {
    const std::string image =
        serving_.model_in_image
            ? model_image(engine_, registry_program_, serving_.server_image, release, serving_.alias)
            : serving_.server_image;
    std::vector<std::future<void>> starting;
    starting.reserve(places.size());
    for (const Place& place : places) {
      starting.push_back(
          std::async(std::launch::async, [&, place] { start_one(release, set, image, place); }));
    }
    for (const std::future<void>& each : starting) {
      each.wait();  // before the first failure ends what the others work with
    }
    for (std::future<void>& each : starting) {
      each.get();
    }
  }
  wait_until_ready(release, set);
}

void ServerSet::wait_until_ready(const ServedRelease& release, const std::string& set) {
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  auto next_look = std::chrono::steady_clock::now() + state_interval;
  const std::vector<Container> servers = in_set(servers_of(engine_, folder_), set);
  std::vector<std::string> waiting = addresses_of(servers);
  std::map<std::string, int> restarts;  // by now; one more means that it does not come up
  for (const Container& server : servers) {
    restarts[server.name] = server.restarts;
  }
  while (!waiting.empty()) {
    std::erase_if(waiting, [this](const std::string& address) {
      const auto answer = gateway_.get(fmt::format("/servers/{}/v2/health/ready", address), answer_patience);
      return answer && answer->status == 200;
    });
    const auto now = std::chrono::steady_clock::now();
    if (waiting.empty() || (now < next_look && now < deadline)) {
      std::this_thread::sleep_for(waiting.empty() ? 0ms : poll_interval);
      continue;
    }
    next_look = now + state_interval;
    for (const Container& server : in_set(servers_of(engine_, folder_), set)) {
      const bool waited_for =
          std::find(waiting.begin(), waiting.end(), server.label(container_label::address)) != waiting.end();
      if (waited_for && (!server.runs() || server.restarts > restarts[server.name] || now > deadline)) {
        throw Error(fmt::format("the server of release {} did not get ready: {}", release.version,
                                why_not_ready(engine_, server, serving_)));
      }
    }
  }
}

}  // namespace mlpipe
