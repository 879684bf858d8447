#include "pipeline/deploy/gateway.hpp"

#include <fmt/format.h>

#include <thread>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/address.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

constexpr auto start_patience = 30s;
constexpr auto reload_patience = 15s;
constexpr auto answer_patience = 2s;
constexpr auto poll_interval = 10ms;
// A busy client's next request comes within it, and learns that its connection ends.
constexpr auto closing_time = 300ms;
// Between the first answer of a new worker and the old ones' noticing that they are to end.
constexpr auto old_workers_notice = 100ms;
constexpr auto old_requests_patience = 75s;
constexpr auto drain_unseen = 10s;
constexpr const char* gateway_lines_shown = "5";

std::string mount(const std::filesystem::path& from, const std::string& to, bool writable) {
  return fmt::format("type=bind,src={},dst={}{}", from.string(), to, writable ? "" : ",readonly");
}

}  // namespace

Error container_failure(const Engine& engine, const std::string& doing, const Captured& captured) {
  const Error failure = engine.failure(doing, captured);
  const auto says = [&captured](std::string_view words) {
    return captured.error.find(words) != std::string::npos;
  };
  if (says("could not select device driver") || says("unresolvable CDI devices") || says("nvidia.com/gpu")) {
    return Error(
        fmt::format("{}: a GPU is asked for, and {} has none to give", doing, engine.name()),
        "install the NVIDIA Container Toolkit where there is a GPU, or leave `gpu` out of `resources`");
  }
  if (says("port is already allocated") || says("address already in use")) {
    return Error(failure.what(), "choose another `port` in `deploy`, or end what uses this one");
  }
  return failure;
}

std::vector<std::string> confinement() {
  return {"--restart",
          "always",
          "--read-only",
          "--tmpfs",
          "/tmp:mode=1777",
          "--cap-drop",
          "ALL",
          "--security-opt",
          "no-new-privileges",
          "--user",
          fmt::format("{}:{}", ContainerFolder::user(), ContainerFolder::group())};
}

std::vector<std::string> placement(EngineKind kind, const std::string& network, const std::string& address) {
  std::vector<std::string> arguments = {"--network", network, "--ip", address};
  if (kind == EngineKind::podman) {
    std::string hardware = "02:42";  // the first byte says that it was chosen, not made
    for (const std::string& part : split(address, '.')) {
      hardware += fmt::format(":{:02x}", parse_integer(part).value());
    }
    arguments.insert(arguments.end(), {"--mac-address", hardware});
  }
  return arguments;
}

std::optional<Container> Gateway::find() const {
  for (Container& container : containers_labelled(engine_, container_label::deployment, folder_.identity())) {
    if (container.label(container_label::role) == "gateway") {
      return std::move(container);
    }
  }
  return std::nullopt;
}

void Gateway::ensure(const ContainerServing& serving, const ContainerState& state) {
  const std::string place = fmt::format("{}:{}", serving.host, state.port);
  const std::string shape = fmt::format("{} {}", place, serving.gateway_image);
  if (const auto found = find()) {
    const std::string is = found->label(container_label::shape);
    if (is == shape && found->runs()) {
      find_control_port(found);
      return;
    }
    const bool moves = !is.starts_with(place + " ");
    if (moves && !is_free(serving.host, state.port)) {
      throw Error(fmt::format("{} is in use", place), "choose another `port` in `deploy`");
    }
    remove();
  }
  start(serving, state, shape);
}

void Gateway::start(const ContainerServing& serving, const ContainerState& state, const std::string& shape) {
  std::vector<std::string> arguments = {"run", "--detach", "--name", name()};
  const auto add = [&arguments](std::initializer_list<std::string> more) {
    arguments.insert(arguments.end(), more);
  };
  const auto label = [&add](const char* what, const std::string& value) {
    add({"--label", fmt::format("{}={}", what, value)});
  };
  label(container_label::deployment, folder_.identity());
  label(container_label::alias, serving.alias);
  label(container_label::role, "gateway");
  label(container_label::shape, shape);
  for (std::string& argument : confinement()) {
    arguments.push_back(std::move(argument));
  }
  // A reload is a signal to its container; where that has no stop signal of its own, docker takes every
  // signal for the wish that it ends, and does not start it again.
  add({"--stop-signal", "SIGQUIT", "--env", "TZ=UTC"});
  for (std::string& argument : placement(engine_.kind(), network(), state.subnet + "2")) {
    arguments.push_back(std::move(argument));
  }
  add({"--publish", fmt::format("{}:{}:{}", serving.host == "localhost" ? loopback : serving.host, state.port,
                                gateway_port)});
  add({"--publish", fmt::format("{}::{}", loopback, gateway_control_port)});
  add({"--mount", mount(folder_.gateway(), gateway_folder, false)});
  add({"--mount", mount(folder_.written(), gateway_own_folder, true)});
  add({"--entrypoint", "nginx", serving.gateway_image, "-e", "stderr", "-c",
       std::string(gateway_folder) + "/nginx.conf", "-g", "daemon off;"});
  crash_point("start a gateway");
  const Captured started = engine_.run(std::move(arguments));
  if (!started.ending.succeeded()) {
    remove();  // one that could not be started stays behind
    throw container_failure(engine_, fmt::format("starting the gateway at {}:{}", serving.host, state.port),
                            started);
  }
  crash_point("started a gateway");
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  while (true) {
    const auto found = find();
    find_control_port(found);
    if (get("/generation", answer_patience)) {
      return;
    }
    if (!found || !found->runs() || std::chrono::steady_clock::now() > deadline) {
      const std::string words = last_words();
      remove();
      throw Error(fmt::format("the gateway did not start: {}", words),
                  "its image must hold nginx; see docs/containers.md");
    }
    std::this_thread::sleep_for(poll_interval);
  }
}

// The engine chooses another one each time that the container starts.
void Gateway::find_control_port(const std::optional<Container>& gateway) {
  control_port_ = 0;
  if (gateway && gateway->ports.contains(gateway_control_port)) {
    control_port_ = gateway->ports.at(gateway_control_port);
  }
}

std::optional<HttpReply> Gateway::get(const std::string& path, std::chrono::milliseconds timeout) const {
  return http_get(loopback, control_port_, path, folder_.token(), timeout);
}

std::optional<HttpReply> Gateway::post(const std::string& path, std::string_view json,
                                       std::chrono::milliseconds timeout) const {
  return http_post(loopback, control_port_, path, json, folder_.token(), timeout);
}

bool Gateway::answers(const std::string& generation) const {
  const auto answer = get("/generation", answer_patience);
  return answer && trim(answer->body) == generation;
}

void Gateway::put_in_force(Routes routes) {
  routes.token = folder_.token();
  find_control_port(find());
  folder_.set_closing(true);
  std::this_thread::sleep_for(closing_time);
  crash_point("write the gateway's configuration");
  folder_.write_configuration(gateway_configuration(routes));
  crash_point("wrote the gateway's configuration");
  const Captured sent = engine_.run({"kill", "--signal", "HUP", name()});
  if (!sent.ending.succeeded()) {
    throw container_failure(engine_, "reloading the gateway", sent);
  }
  const auto deadline = std::chrono::steady_clock::now() + reload_patience;
  while (!answers(routes.generation)) {
    if (std::chrono::steady_clock::now() > deadline) {
      folder_.set_closing(false);
      throw Error(fmt::format("the gateway did not take its new configuration: {}", last_words()));
    }
    std::this_thread::sleep_for(poll_interval);
  }
  std::this_thread::sleep_for(old_workers_notice);
  folder_.set_closing(false);
}

void Gateway::wait_for_old_requests() const {
  const auto deadline = std::chrono::steady_clock::now() + old_requests_patience;
  std::vector<std::string> listing = {"top", name()};
  if (engine_.kind() == EngineKind::docker) {
    listing.insert(listing.end(), {"-eo", "pid,args"});
  } else {
    listing.emplace_back("args");
  }
  while (std::chrono::steady_clock::now() < deadline) {
    const Captured processes = engine_.run(listing);
    if (!processes.ending.succeeded()) {  // it cannot be seen: as long as requests usually take
      std::this_thread::sleep_for(drain_unseen);
      return;
    }
    if (processes.output.find("is shutting down") == std::string::npos) {
      return;
    }
    std::this_thread::sleep_for(5 * poll_interval);
  }
}

std::string Gateway::last_words() const {
  const Captured log = engine_.run({"logs", "--tail", gateway_lines_shown, name()});
  return printable(trim(log.error.empty() ? log.output : log.error));
}

void Gateway::remove() const {
  engine_.run({"stop", name()});
  const Captured removed = engine_.run({"rm", "--force", name()});
  if (!removed.ending.succeeded() && find()) {
    throw engine_.failure("removing the gateway", removed);
  }
}

}  // namespace mlpipe
