#include "pipeline/deploy/container_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/address.hpp"
#include "pipeline/deploy/compose.hpp"
#include "pipeline/deploy/model_image.hpp"
#include "pipeline/deploy/probe.hpp"
#include "pipeline/deploy/server_set.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto probe_patience = 65s;  // more than a server takes to turn one down
constexpr auto answer_to_people = 60s;
constexpr int all_traffic = 100;

bool serves(const Container& server, const ServedRelease& release) {
  return server.label(container_label::version) == release.version &&
         server.label(container_label::model) == "sha256:" + release.model.hex();
}

std::string state_of(const Container& server) {
  return server.runs() && server.health == "unhealthy" ? server.health : server.state;
}

Digest model_of(const Container& server) {
  const std::string text = server.label(container_label::model);
  const std::string hex = text.substr(text.find(':') + 1);
  return Digest::is_hex(hex) ? Digest::from_hex(hex) : Digest();
}

// Where the servers listen, as the gateway's log has it.
std::set<std::string> places_of(const std::vector<Container>& servers, int port) {
  std::set<std::string> places;
  for (const std::string& address : addresses_of(servers)) {
    places.insert(fmt::format("{}:{}", address, port));
  }
  return places;
}

}  // namespace

ContainerTarget::ContainerTarget(Engine engine, Programs programs, fs::path directory,
                                 ContainerServing serving)
    : engine_(std::move(engine)),
      programs_(std::move(programs)),
      folder_(fs::absolute(directory).lexically_normal()),
      serving_(std::move(serving)),
      gateway_(engine_, folder_) {
  serving_.engine = engine_.name();
  if (folder_.has_record()) {
    ContainerServing begun;
    folder_.load(begun, state_);
    if (begun.engine != serving_.engine) {
      throw Error(fmt::format("{} was deployed with {}, and {} is asked for", begun.alias, begun.engine,
                              serving_.engine),
                  fmt::format("`mlpipe down` first, or MLPIPE_ENGINE={}", begun.engine));
    }
  }
}

std::unique_ptr<ContainerTarget> ContainerTarget::existing(const fs::path& directory, Programs programs) {
  ContainerServing serving;
  ContainerState state;
  const ContainerFolder folder(directory);
  if (folder.has_record()) {
    folder.load(serving, state);
  }
  Engine engine = Engine::find(serving.engine, own_environment());
  return std::make_unique<ContainerTarget>(std::move(engine), std::move(programs), directory,
                                           std::move(serving));
}

ServerSet ContainerTarget::servers() const {
  return {engine_, folder_, gateway_, serving_, state_.subnet, programs_.registry};
}

ServingState ContainerTarget::observe() {
  ServingState state;
  if (!folder_.has_record()) {
    return state;
  }
  const std::vector<Container> all =
      containers_labelled(engine_, container_label::deployment, folder_.identity());
  const bool lease_holds = folder_.lease_holds();
  std::size_t running = 0;
  std::size_t in_service = 0;
  std::string left;
  bool has_gateway = false;
  bool is_other_gateway = false;
  ContainerServing begun;
  ContainerState ignored;
  folder_.load(begun, ignored);
  state.shape = begun.shape();
  state.address = url_of(begun.host, state_.port);
  for (const Container& each : all) {
    if (each.label(container_label::role) == "gateway") {
      has_gateway = each.runs();
      is_other_gateway = !serving_.gateway_image.empty() &&
                         !each.label(container_label::shape).ends_with(" " + serving_.gateway_image);
      continue;
    }
    const std::string set = each.label(container_label::set);
    const int share = lease_holds ? state_.weight : 0;
    const bool serving = set == state_.set;
    state.replicas.push_back({each.name, each.label(container_label::version), state_of(each),
                              serving                   ? all_traffic - share
                              : set == state_.candidate ? share
                                                        : 0});
    if (!serving) {
      left = each.label(container_label::version);
      continue;
    }
    ++in_service;
    running += state_of(each) == "running" ? 1 : 0;
    state.version = each.label(container_label::version);
    state.model = model_of(each);
    state.server = each.label(container_label::server);
    state.shape = begun.place() + " × " + each.label(container_label::shape);
  }
  state.running = has_gateway && running > 0;
  if (running < static_cast<std::size_t>(begun.replicas)) {
    state.fault = fmt::format("{} of {} servers {}", running, begun.replicas, running == 1 ? "runs" : "run");
  } else if (in_service > running) {
    state.fault = fmt::format("{} of {} servers do not run", in_service - running, in_service);
  } else if (is_other_gateway) {
    state.fault = "the gateway's image is another build";
  } else if (!left.empty()) {
    state.fault = fmt::format("a rollout was cut off: servers of release {} are left", left);
  }
  return state;
}

WantedServing ContainerTarget::wanted() const {
  return {serving_.server_image, serving_.shape(), "the server image", ""};
}

int ContainerTarget::choose_port() const {
  if (serving_.port && *serving_.port != 0) {
    return *serving_.port;
  }
  if (state_.port != 0) {
    return state_.port;
  }
  return !serving_.port && is_free(serving_.host, usual_port) ? usual_port : any_free_port(serving_.host);
}

// "10.1.0." of "10.1.0.0/16"; empty when there is no such network.
std::string ContainerTarget::read_subnet() const {
  const char* form = engine_.kind() == EngineKind::docker ? "{{(index .IPAM.Config 0).Subnet}}"
                                                          : "{{(index .Subnets 0).Subnet}}";
  const Captured asked = engine_.run({"network", "inspect", "--format", form, gateway_.network()});
  const std::string subnet(trim(asked.output));
  const std::size_t last_dot = subnet.rfind('.');
  return asked.ending.succeeded() && last_dot != std::string::npos ? subnet.substr(0, last_dot + 1) : "";
}

// Servers keep their addresses when the engine starts them again, for the gateway's sake. Docker lets nobody
// choose an address in a network whose range it chose itself: so it chooses once, and is then told the same.
void ContainerTarget::ensure_network() {
  state_.subnet = read_subnet();
  if (!state_.subnet.empty()) {
    return;
  }
  const auto create = [this](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "network", "create", "--label",
        fmt::format("{}={}", container_label::deployment, folder_.identity())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(gateway_.network());
    const Captured made = engine_.run(std::move(arguments));
    if (!made.ending.succeeded()) {
      throw engine_.failure("making the deployment's network", made);
    }
  };
  crash_point("make a network");
  create({});
  if (engine_.kind() == EngineKind::docker) {
    const std::string range = engine_.ask(
        {"network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", gateway_.network()});
    engine_.ask({"network", "rm", gateway_.network()});
    create({"--subnet", range});
  }
  crash_point("made a network");
  state_.subnet = read_subnet();
}

// The set of the release that has traffic, or could have.
std::string ContainerTarget::set_that_serves(const ServedRelease& release) const {
  std::string found;
  for (const Container& server : servers_of(engine_, folder_)) {
    const std::string set = server.label(container_label::set);
    if (serves(server, release) && (found.empty() || set == state_.set)) {
      found = set;
    }
  }
  return found;
}

void ContainerTarget::route_to(const std::string& set, const std::string& candidate, int weight) {
  const ContainerState before = state_;
  state_.set = set;
  state_.candidate = candidate;
  state_.weight = weight;
  ++state_.generation;
  folder_.save(serving_, state_);
  const std::vector<Container> all = servers_of(engine_, folder_);
  Routes routes;
  routes.generation = std::to_string(state_.generation);
  routes.token = folder_.token();
  routes.subnet = state_.subnet;
  routes.server_port = serving_.container_port;
  routes.admin_port = serving_.is_own_server() ? server_admin_port : 0;
  routes.serving = addresses_of(in_set(all, set));
  if (!candidate.empty()) {
    routes.candidate = addresses_of(in_set(all, candidate));
    routes.weight = weight;
    routes.traffic_log = traffic_prefix + routes.generation;
    folder_.remove_traffic();
    traffic_log_.emplace(folder_.written() / routes.traffic_log,
                         places_of(in_set(all, candidate), serving_.container_port),
                         places_of(in_set(all, set), serving_.container_port));
  }
  try {
    gateway_.put_in_force(routes);
  } catch (const Error&) {
    const unsigned generation = state_.generation;
    state_ = before;
    state_.generation = generation;
    folder_.save(serving_, state_);
    throw;
  }
}

void ContainerTarget::bring_up(const ServedRelease& candidate) {
  folder_.prepare();
  ensure_network();
  state_.port = choose_port();
  folder_.save(serving_, state_);
  const std::string set = ServerSet::name_of(candidate, serving_);
  try {
    if (!folder_.has_configuration()) {
      Routes none;
      none.generation = "0";
      none.token = folder_.token();
      none.subnet = state_.subnet;
      none.server_port = serving_.container_port;
      folder_.write_configuration(gateway_configuration(none));
    }
    gateway_.ensure(serving_, state_);
    servers().start(candidate);
  } catch (const Error&) {
    if (state_.set.empty()) {
      stop();  // nothing served before
    } else if (set != state_.set) {
      remove_servers(engine_, in_set(servers_of(engine_, folder_), set));
    }
    throw;
  }
}

void ContainerTarget::weigh(const ServedRelease& candidate, const ServedRelease& current, int percent) {
  const std::string serving = set_that_serves(current);
  if (serving.empty()) {
    throw Error(
        fmt::format("release {} does not serve any more: there is nothing to compare with", current.version));
  }
  folder_.renew_lease();
  route_to(serving, ServerSet::name_of(candidate, serving_), percent);
}

void ContainerTarget::renew_weight() {
  folder_.renew_lease();
}

Traffic ContainerTarget::traffic() {
  return traffic_log_ ? traffic_log_->read() : Traffic{};
}

void ContainerTarget::probe(const ServedRelease& release, std::size_t requests) {
  const Model model = read_model(release.directory);
  const std::vector<std::string> addresses =
      addresses_of(in_set(servers_of(engine_, folder_), set_that_serves(release)));
  if (addresses.empty()) {
    throw Error(fmt::format("no server of release {} is there to be probed", release.version));
  }
  for (std::size_t i = 0; i < requests; ++i) {
    const auto answer =
        gateway_.post(fmt::format("/servers/{}{}", addresses[i % addresses.size()], probe_path(model, "")),
                      probe_body(model, i), probe_patience);
    if (!answer || (answer->status >= 400 && answer->status < 500)) {
      throw Error(fmt::format("release {} cannot be probed: {}", release.version,
                              answer
                                  ? fmt::format("it turned the request down with status {}", answer->status)
                                  : "the gateway did not answer"));
    }
  }
}

void ContainerTarget::shift(const ServedRelease& candidate) {
  route_to(ServerSet::name_of(candidate, serving_), "", 0);
  folder_.end_lease();
}

void ContainerTarget::settle(const ServedRelease& candidate) {
  remove_sets_but(ServerSet::name_of(candidate, serving_));
  folder_.remove_traffic();
}

void ContainerTarget::remove_sets_but(const std::string& set) const {
  std::vector<Container> others = servers_of(engine_, folder_);
  std::erase_if(others, [&set](const Container& each) { return each.label(container_label::set) == set; });
  if (others.empty()) {
    return;
  }
  gateway_.wait_for_old_requests();
  remove_servers(engine_, others);
}

void ContainerTarget::withdraw(const ServedRelease& previous) {
  std::string set = set_that_serves(previous);
  if (set.empty()) {
    bring_up(previous);
    set = ServerSet::name_of(previous, serving_);
  }
  folder_.end_lease();  // from here on the candidate gets nothing
  route_to(set, "", 0);
  remove_sets_but(set);
  folder_.remove_traffic();
}

void ContainerTarget::stop() {
  gateway_.remove();
  remove_servers(engine_, servers_of(engine_, folder_));
  if (!read_subnet().empty()) {
    engine_.ask({"network", "rm", gateway_.network()});
  }
  folder_.remove();
  state_ = {};
}

std::optional<HttpReply> ContainerTarget::ask(const std::string& path, std::string_view json) {
  return http_post_to(observe().address, path, json, answer_to_people);
}

std::string ContainerTarget::compose(const std::string& model, const ServedRelease& release) const {
  const std::string image =
      serving_.model_in_image
          ? model_image(engine_, programs_.registry, serving_.server_image, release, serving_.alias)
          : serving_.server_image;
  return compose_text(serving_, state_, {model, release.version, image, release.directory.string()});
}

std::string ContainerTarget::log(std::size_t lines) const {
  std::string text;
  for (const Container& each :
       containers_labelled(engine_, container_label::deployment, folder_.identity())) {
    const Captured log = engine_.run({"logs", "--tail", std::to_string(lines), each.name});
    for (const std::string* words : {&log.output, &log.error}) {
      for (const std::string& line : split(trim(*words), '\n')) {
        text += line.empty() ? "" : fmt::format("{}  {}\n", each.name, printable(line));
      }
    }
  }
  return text;
}

}  // namespace mlpipe
