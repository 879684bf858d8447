#include "pipeline/deploy/containers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// A member of an object, or an empty object: engines leave out what does not apply, or write null.
const Json& member(const Json& object, const char* name) {
  static const Json none = Json::object();
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && !found->is_null() ? *found : none;
}

std::string text_in(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

// {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}]}
std::map<int, int> ports_in(const Json& published) {
  std::map<int, int> ports;
  for (const auto& [inside, places] : published.items()) {
    const auto port = parse_integer(inside.substr(0, inside.find('/')));
    if (!port || !places.is_array() || places.empty()) {
      continue;
    }
    if (const auto outside = parse_integer(text_in(places.front(), "HostPort"))) {
      ports[static_cast<int>(*port)] = static_cast<int>(*outside);
    }
  }
  return ports;
}

Container container_in(const Json& json) {
  Container container;
  container.id = text_in(json, "Id");
  container.name = text_in(json, "Name");
  if (container.name.starts_with('/')) {
    container.name.erase(0, 1);  // docker's form
  }
  for (const auto& [name, value] : member(member(json, "Config"), "Labels").items()) {
    container.labels[name] = value.is_string() ? value.get<std::string>() : "";
  }
  const Json& state = member(json, "State");
  container.state = text_in(state, "Status");
  container.health = text_in(member(state, "Health"), "Status");
  if (container.health.empty()) {
    container.health = text_in(member(state, "Healthcheck"), "Status");  // podman's name of it
  }
  const Json& out_of_memory = member(state, "OOMKilled");
  container.out_of_memory = out_of_memory.is_boolean() && out_of_memory.get<bool>();
  const Json& restarts = member(json, "RestartCount");
  container.restarts = restarts.is_number_integer() ? restarts.get<int>() : 0;
  container.ports = ports_in(member(member(json, "NetworkSettings"), "Ports"));
  return container;
}

}  // namespace

std::string Container::label(const std::string& wanted) const {
  const auto found = labels.find(wanted);
  return found == labels.end() ? "" : found->second;
}

std::vector<Container> parse_containers(std::string_view json) {
  const Json list = Json::parse(json, nullptr, false);
  if (!list.is_array()) {
    throw Error("the container engine described its containers in a form that is not known");
  }
  std::vector<Container> containers;
  for (const Json& each : list) {
    containers.push_back(container_in(each));
  }
  std::sort(containers.begin(), containers.end(),
            [](const Container& a, const Container& b) { return a.name < b.name; });
  return containers;
}

std::vector<Container> containers_labelled(const Engine& engine, const std::string& label,
                                           const std::string& value) {
  const std::string ids = engine.ask(
      {"ps", "--all", "--quiet", "--no-trunc", "--filter", fmt::format("label={}={}", label, value)});
  if (ids.empty()) {
    return {};
  }
  std::vector<std::string> arguments = {"container", "inspect"};
  for (const std::string& id : split(ids, '\n')) {
    arguments.push_back(id);
  }
  const Captured described = engine.run(std::move(arguments));
  // One that was removed between the two calls makes the whole call fail, and is not among what was printed.
  if (!described.ending.succeeded() && trim(described.output).empty()) {
    throw engine.failure("describing containers", described);
  }
  return parse_containers(described.output);
}

}  // namespace mlpipe
