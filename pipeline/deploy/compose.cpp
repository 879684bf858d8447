#include "pipeline/deploy/compose.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "pipeline/base/text.hpp"
#include "pipeline/deploy/gateway_configuration.hpp"
#include "pipeline/deploy/server_set.hpp"
#include "pipeline/deploy/yaml_text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr int first_server = 16;

// A dollar begins a variable of Compose's.
std::string with_plain_dollars(const std::string& text) {
  return join(split(text, '$'), "$$");
}

Json confined() {
  return {{"pull_policy", "never"},
          {"restart", "always"},
          {"read_only", true},
          {"tmpfs", Json::array({"/tmp:mode=1777"})},
          {"cap_drop", Json::array({"ALL"})},
          {"security_opt", Json::array({"no-new-privileges:true"})},
          {"user", fmt::format("{}:{}", ContainerFolder::user(), ContainerFolder::group())}};
}

Json at_address(const ContainerState& state, int number) {
  return {{"serving", {{"ipv4_address", state.subnet + std::to_string(number)}}}};
}

Json limits(const Resources& resources) {
  Json limits = Json::object();
  if (resources.cpu != 0) {
    limits["limits"]["cpus"] = fmt::format("{:.3f}", static_cast<double>(resources.cpu) / 1000);
  }
  if (resources.memory != 0) {
    limits["limits"]["memory"] = std::to_string(resources.memory);
  }
  if (resources.gpu.value_or(0) > 0) {
    limits["reservations"]["devices"] = Json::array(
        {{{"driver", "nvidia"}, {"count", *resources.gpu}, {"capabilities", Json::array({"gpu"})}}});
  }
  return limits;
}

Json server_of(const ContainerServing& serving, const ContainerState& state, const ComposedRelease& release,
               int number) {
  Json server{{"image", release.image}};
  server.update(confined());
  server["stop_grace_period"] = "20s";
  server["networks"] = at_address(state, first_server + number);
  if (serving.is_own_server()) {
    server["entrypoint"] = Json::array({"mlpipe-serve"});
    server["command"] = {"--model",       "/model",  "--version", release.version,
                         "--host",        "0.0.0.0", "--port",    std::to_string(serving.container_port),
                         "--drain-delay", "0"};
  } else {
    server["environment"] = {{"MLPIPE_MODEL", "/model"}, {"MLPIPE_MODEL_VERSION", release.version}};
    for (const std::string& argument : serving.command) {
      server["command"].push_back(with_plain_dollars(argument));
    }
  }
  if (!serving.model_in_image) {
    server["volumes"] = Json::array(
        {{{"type", "bind"}, {"source", release.directory}, {"target", "/model"}, {"read_only", true}}});
  }
  if (const Json resources = limits(serving.resources); !resources.empty()) {
    server["deploy"]["resources"] = resources;
  }
  return server;
}

}  // namespace

std::string compose_text(const ContainerServing& serving, const ContainerState& state,
                         const ComposedRelease& release) {
  Routes routes;
  routes.server_port = serving.container_port;
  Json services = Json::object();
  std::vector<std::string> names;
  for (int number = 0; number < serving.replicas; ++number) {
    names.push_back(fmt::format("server-{}", number + 1));
    routes.serving.push_back(state.subnet + std::to_string(first_server + number));
    services[names.back()] = server_of(serving, state, release, number);
  }
  Json gateway{{"image", serving.gateway_image}};
  gateway.update(confined());
  gateway.erase("read_only");  // Compose writes the configuration into the container
  gateway["entrypoint"] = Json::array({"nginx"});
  gateway["command"] = {"-e", "stderr",     "-c", std::string(gateway_folder) + "/nginx.conf",
                        "-g", "daemon off;"};
  gateway["tmpfs"] = Json::array({std::string(gateway_own_folder) + ":mode=1777"});
  gateway["stop_signal"] = "SIGQUIT";
  gateway["environment"] = {{"TZ", "UTC"}};
  gateway["ports"] = Json::array({fmt::format("{}:{}:{}", serving.host, state.port, gateway_port)});
  gateway["networks"] = at_address(state, 2);
  gateway["configs"] =
      Json::array({{{"source", "gateway"}, {"target", std::string(gateway_folder) + "/nginx.conf"}}});
  gateway["depends_on"] = names;
  services["gateway"] = gateway;
  const Json document{
      {"name", "mlpipe-" + serving.alias},
      {"services", services},
      {"networks",
       {{"serving", {{"ipam", {{"config", Json::array({{{"subnet", state.subnet + "0/24"}}})}}}}}}},
      {"configs", {{"gateway", {{"content", with_plain_dollars(gateway_configuration(routes))}}}}}};
  std::string text = fmt::format("# {} serves {}:{}. Needs Compose 2.23.1.\n", serving.alias, release.model,
                                 release.version);
  return text + yaml_text(document);
}

}  // namespace mlpipe
