#include "pipeline/deploy/kubernetes_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pipeline/base/called_program.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"
#include "pipeline/deploy/cluster_watch.hpp"
#include "pipeline/model/model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto refusal_patience = 10s;  // for a pod that cannot be made: others may end meanwhile
constexpr std::size_t tag_digits = 32;
constexpr const char* gpu_resource = "nvidia.com/gpu";

// Where the context leads to, where `serving` does not say.
KubernetesServing located(const Kubectl& kubectl, KubernetesServing serving) {
  if (serving.place.name_space.empty() || serving.context.empty()) {
    Kubectl::Where where = kubectl.where();
    serving.context = std::move(where.context);
    if (serving.place.name_space.empty()) {
      serving.place.name_space = std::move(where.name_space);
    }
  }
  return serving;
}

Json without_deployment(Json manifests) {
  manifests.erase(manifests.size() - 1);
  return manifests;
}

std::string annotation_in(const Json& object, const char* name) {
  return object.at("metadata").value("annotations", Json::object()).value(name, "");
}

const Json& server_in(const Json& deployment) {
  return deployment.at("spec").at("template").at("spec").at("containers").at(0);
}

std::string made_from(const Json& deployment) {
  return annotation_in(deployment.at("spec").at("template"), serving_mark::pods);
}

// Where a client may ask.
std::string address_of(const ClusterExposure& exposure, const Json& service, const std::string& node,
                       const std::string& name_space) {
  if (!exposure.ingress_host.empty()) {
    return (exposure.ingress_tls_secret.empty() ? "http://" : "https://") + exposure.ingress_host;
  }
  if (!exposure.route_host.empty()) {
    return "https://" + exposure.route_host;
  }
  if (!exposure.gateway_host.empty()) {
    return "http://" + exposure.gateway_host;
  }
  for (const Json& balancer : service.value("status", Json::object())
                                  .value("loadBalancer", Json::object())
                                  .value("ingress", Json::array())) {
    return "http://" + balancer.value("ip", balancer.value("hostname", ""));
  }
  const Json& port = service.at("spec").at("ports").at(0);
  if (port.contains("nodePort") && !node.empty()) {
    return fmt::format("http://{}:{}", node, port["nodePort"].get<int>());
  }
  return fmt::format("http://{}.{}", service.at("metadata").at("name").get<std::string>(), name_space);
}

std::int64_t gpus_in(const Json& amounts) {
  return parse_integer(amounts.value(gpu_resource, "0")).value_or(0);
}

}  // namespace

KubernetesTarget::KubernetesTarget(Kubectl kubectl, Programs programs, fs::path directory,
                                   KubernetesServing serving)
    : kubectl_(std::move(kubectl)),
      programs_(std::move(programs)),
      folder_(std::move(directory)),
      serving_(located(kubectl_, std::move(serving))),
      objects_(kubectl_, serving_.place.name_space, serving_.name()),
      canary_(kubectl_, objects_, serving_) {
  if (folder_.has_record()) {
    const KubernetesServing begun = folder_.load();
    const auto place = [](const KubernetesServing& one) {
      return fmt::format("{} in namespace {} of context {}", one.name(), one.place.name_space,
                         one.context.empty() ? "(none)" : one.context);
    };
    if (place(begun) != place(serving_)) {
      throw Error(fmt::format("{} was deployed as {}, and {} is asked for", begun.alias, place(begun),
                              place(serving_)),
                  "`mlpipe down` first, or name that place in `kubernetes:`");
    }
  }
}

std::unique_ptr<KubernetesTarget> KubernetesTarget::existing(const fs::path& directory, Programs programs) {
  KubernetesServing serving = KubernetesFolder(directory).load();
  Kubectl kubectl = Kubectl::find(serving.context, own_environment());
  return std::make_unique<KubernetesTarget>(std::move(kubectl), std::move(programs), directory,
                                            std::move(serving));
}

WantedServing KubernetesTarget::wanted() const {
  return {serving_.server_identity(), serving_.shape(), "the server image", ""};
}

ServingState KubernetesTarget::observe() {
  ServingState state;
  Json deployment;
  Json service;
  std::vector<PodState> pods;
  std::string left;
  for (const Json& each : objects_.list("deployments,services,pods,jobs")) {
    const std::string kind = each.at("kind");
    if (kind == "Deployment") {
      deployment = each;
    } else if (kind == "Service" && each.at("metadata").at("name") == serving_.name()) {
      service = each;
    } else if (kind == "Job") {
      left = annotation_in(each, serving_mark::release);
    } else if (kind == "Pod") {
      pods.push_back(state_of_pod(each));
    }
  }
  std::erase_if(pods, [](const PodState& pod) { return pod.ending; });
  const auto ready = std::count_if(pods.begin(), pods.end(), [](const PodState& pod) { return pod.ready; });
  std::string node;
  for (const PodState& pod : pods) {
    const auto alike = std::count_if(pods.begin(), pods.end(), [&pod](const PodState& other) {
      return other.ready && other.version == pod.version;
    });
    state.replicas.push_back(
        {pod.name, pod.version, pod.state, ready == 0 ? 0 : static_cast<int>(100 * alike / ready)});
    node = node.empty() ? pod.address : node;
  }
  if (deployment.is_null()) {
    state.fault = pods.empty() && left.empty() ? "" : "its Deployment is not there";
    return state;
  }
  const RolloutState rollout = rollout_state(deployment, pods, made_from(deployment));
  state.running = ready > 0;
  state.version = annotation_in(deployment, serving_mark::release);
  state.server = annotation_in(deployment, serving_mark::server);
  state.shape = annotation_in(deployment, serving_mark::shape);
  const std::string model = annotation_in(deployment, serving_mark::model);
  if (const std::string hex = model.substr(model.find(':') + 1); Digest::is_hex(hex)) {
    state.model = Digest::from_hex(hex);
  }
  if (!service.is_null()) {
    state.address = address_of(serving_.exposure, service, node, objects_.name_space());
  }
  const auto settled = folder_.settled();
  const Json* known = settled ? find_kind(*settled, "Deployment") : nullptr;
  if (!rollout.refused.empty() && !rollout.done) {
    state.fault = cluster_failure("making a server", rollout.refused).what();
  } else if (!rollout.done) {
    state.fault = rollout.waits_for;
  } else if (service.is_null()) {
    state.fault = "its Service is not there";
  } else if (!left.empty()) {
    state.fault = fmt::format("a rollout was cut off: servers of release {} are left", left);
  } else if (folder_.intended()) {
    state.fault = "a rollout was cut off";
  } else if (known != nullptr && made_from(*known) == made_from(deployment) &&
             server_in(*known).at("image") != server_in(deployment).at("image")) {
    state.fault = "another has changed the Deployment's image";
  }
  return state;
}

std::string KubernetesTarget::tag_of(const ServedRelease& release) const {
  return "serve-" +
         digest_of(release.model.hex() + "\n" + serving_.server_identity()).hex().substr(0, tag_digits);
}

ManifestRelease KubernetesTarget::manifest_release(const ServedRelease& release, std::string image) const {
  return {release.version, "sha256:" + release.model.hex(), serving_.server_identity(), std::move(image)};
}

std::string KubernetesTarget::known_image(const ServedRelease& release) const {
  if (const auto pushed = pushed_.find(tag_of(release)); pushed != pushed_.end()) {
    return pushed->second;
  }
  for (const auto& manifests : {folder_.intended(), folder_.settled()}) {
    const Json* deployment = manifests ? find_kind(*manifests, "Deployment") : nullptr;
    if (deployment != nullptr &&
        annotation_in(*deployment, serving_mark::model) == "sha256:" + release.model.hex() &&
        annotation_in(*deployment, serving_mark::server) == serving_.server_identity()) {
      return server_in(*deployment).at("image");
    }
  }
  return serving_.registry + ":" + tag_of(release);
}

std::string KubernetesTarget::push(const ServedRelease& release) {
  std::string& reference = pushed_[tag_of(release)];
  if (!reference.empty()) {
    return reference;
  }
  const Model model = read_model(release.directory);
  Json config = {{"format", format_name(model.format)}};
  if (model.format == WeightsFormat::safetensors) {
    config["precision"] = "fp32";
  }
  const Json description = {{"descriptor", {{"name", model.name}, {"version", release.version}}},
                            {"config", config},
                            {"annotations", Json::object()}};
  const std::string server = serving_.server.id.empty() ? serving_.server.name : serving_.server.id;
  const Json pushed = Json::parse(
      output_of_program(
          {programs_.registry.string(), "push", fmt::format("--to={}:{}", serving_.registry, tag_of(release)),
           "--version=" + release.version, "--model=" + release.directory.string(), "--server=" + server,
           "--label=mlpipe.model=sha256:" + release.model.hex()},
          description.dump()),
      nullptr, false);
  if (!pushed.is_object() || !pushed.contains("image")) {
    throw Error("mlpipe-registry did not say which image it pushed",
                "install all of mlpipe's programs from one build");
  }
  reference = fmt::format("{}@{}", serving_.registry, pushed["image"].at("digest").get<std::string>());
  return reference;
}

// Whether the cluster has as many GPUs free as a server takes: else the old one has to end first.
PodExchange KubernetesTarget::choose_exchange() const {
  const int wanted = serving_.resources.gpu.value_or(0);
  if (wanted == 0) {
    return PodExchange::beside;
  }
  const std::string consequence =
      "so the old server ends before the new one starts, and nothing serves between";
  const Captured asked = kubectl_.run({"get", "nodes,pods", "--all-namespaces", "--output", "json"});
  const Json all = Json::parse(asked.output, nullptr, false);
  if (!asked.ending.succeeded() || !all.is_object()) {
    say(fmt::format("whether the cluster has a GPU to spare may not be seen here, {}", consequence));
    return PodExchange::one_by_another;
  }
  std::int64_t spare = 0;
  for (const Json& each : all.at("items")) {
    if (each.at("kind") == "Node") {
      spare += gpus_in(each.at("status").value("allocatable", Json::object()));
      continue;
    }
    const std::string phase = each.value("status", Json::object()).value("phase", "");
    for (const Json& container : each.at("spec").at("containers")) {
      if (phase != "Succeeded" && phase != "Failed") {
        spare -= gpus_in(container.value("resources", Json::object()).value("limits", Json::object()));
      }
    }
  }
  if (spare >= wanted) {
    return PodExchange::beside;
  }
  say(fmt::format("the cluster has no GPU to spare, {}", consequence));
  return PodExchange::one_by_another;
}

// What another store deployed is what a failure goes back to, as far as the cluster says what that is.
void KubernetesTarget::adopt(const Json& live) const {
  const Json* deployment = find_kind(live, "Deployment");
  if (folder_.settled() || deployment == nullptr) {
    return;
  }
  const ManifestRelease serves = {
      annotation_in(*deployment, serving_mark::release), annotation_in(*deployment, serving_mark::model),
      annotation_in(*deployment, serving_mark::server), server_in(*deployment).at("image")};
  folder_.write_settled(deployment_manifests(serving_, serves, PodExchange::beside));
}

void KubernetesTarget::bring_up(const ServedRelease& candidate) {
  const std::string doing = fmt::format("deploying {}", serving_.name());
  const Json first = deployment_manifests(serving_, manifest_release(candidate, known_image(candidate)),
                                          PodExchange::beside);
  const Json live = objects_.find(first);
  objects_.require_own(live);
  const PodExchange exchange = choose_exchange();
  const Json manifests =
      deployment_manifests(serving_, manifest_release(candidate, push(candidate)), exchange);
  objects_.try_out(manifests, doing);
  if (!folder_.has_record()) {
    folder_.save(serving_);  // so that `mlpipe down` finds what is begun here
  }
  adopt(live);
  folder_.write_intended(manifests);
  try {
    objects_.apply(without_deployment(manifests), doing);
  } catch (const Error& error) {
    give_up(error);
  }
}

// As bring_up() recorded it.
Json KubernetesTarget::intended_deployment(const ServedRelease& candidate) {
  const auto manifests = folder_.intended();
  const Json* deployment = manifests ? find_kind(*manifests, "Deployment") : nullptr;
  if (deployment == nullptr || annotation_in(*deployment, serving_mark::release) != candidate.version) {
    throw Error(fmt::format("release {} was not brought up", candidate.version), "`mlpipe run` again");
  }
  return *deployment;
}

void KubernetesTarget::shift(const ServedRelease& candidate) {
  const Json deployment = intended_deployment(candidate);
  try {
    objects_.apply(Json::array({deployment}), fmt::format("deploying {}", serving_.name()));
    wait_until_rolled(deployment, candidate.version);
  } catch (const Error& error) {
    give_up(error);
  }
}

void KubernetesTarget::wait_until_rolled(const Json& deployment, const std::string& version) const {
  ClusterWatch watch(kubectl_, objects_.name_space(), objects_.selector(), {"deployments", "pods"});
  const std::string pods = made_from(deployment);
  const auto deadline = Clock::now() + serving_.deadline;
  auto refused_since = ClusterWatch::Time::max();
  std::set<std::string> said;
  const auto say_once = [this, &said](const std::string& sentence) {
    if (said.insert(sentence).second) {
      say(sentence);
    }
  };
  while (true) {
    const std::vector<Json> deployments = watch.objects("deployments");
    const std::vector<PodState> states = states_of_pods(watch.objects("pods"));
    const RolloutState state =
        rollout_state(deployments.empty() ? Json::object() : deployments.front(), states, pods);
    if (state.done) {
      return;
    }
    const auto now = Clock::now();
    const bool ending =
        std::any_of(states.begin(), states.end(), [](const PodState& pod) { return pod.ending; });
    if (state.refused.empty() || ending) {
      refused_since = ClusterWatch::Time::max();
    } else if (refused_since == ClusterWatch::Time::max()) {
      refused_since = now;
    }
    const std::string subject = fmt::format("release {} did not get ready", version);
    if (!state.refused.empty() && now >= refused_since + refusal_patience &&
        refused_since != ClusterWatch::Time::max()) {
      throw cluster_failure(subject, state.refused);
    }
    const bool over = now >= deadline;
    if (!state.failure.empty() || over) {
      std::string words;
      for (const PodState& pod : states) {
        if (words.empty() && pod.pods == pods && !pod.ready && !pod.ending) {
          words = last_words(kubectl_, objects_, pod);
        }
      }
      throw Error(
          fmt::format("{}: {}{}", subject,
                      state.failure.empty()
                          ? fmt::format("after {} {}", format_duration(serving_.deadline), state.waits_for)
                          : state.failure,
                      words));
    }
    if (!watch.interruption().empty()) {
      say_once(fmt::format("{}; it is waited for", watch.interruption()));
    }
    for (const PodState& pod : states) {
      if (pod.state.starts_with("pending: ") || pod.state.starts_with("its image")) {
        say_once(fmt::format("{} is {}", pod.name, pod.state));
      }
    }
    if (!state.refused.empty()) {
      say_once(cluster_failure("making a server", state.refused).what());
    }
    watch.wait(refused_since == ClusterWatch::Time::max()
                   ? deadline
                   : std::min(deadline, refused_since + refusal_patience));
  }
}

void KubernetesTarget::settle(const ServedRelease&) {
  canary_.remove(false);
  const Json intended = folder_.intended().value_or(Json::array());
  if (const Json* route = find_kind(intended, "HTTPRoute")) {
    objects_.apply(Json::array({*route}), "giving the release all requests");
  }
  objects_.remove(left_over(folder_.settled().value_or(Json::array()), intended), false);
  folder_.save(serving_);
  if (folder_.intended()) {
    folder_.settle();
  }
}

// What served before, or nothing where nothing did.
void KubernetesTarget::restore() {
  canary_.remove(false);
  const auto settled = folder_.settled();
  if (!settled) {
    stop();
    return;
  }
  objects_.apply(*settled, fmt::format("going back to what {} served before", serving_.name()));
  const Json& deployment = *find_kind(*settled, "Deployment");
  wait_until_rolled(deployment, annotation_in(deployment, serving_mark::release));
  objects_.remove(left_over(folder_.intended().value_or(Json::array()), *settled), false);
  folder_.forget_intended();
}

// A rollout may have no release to go back to and change the shape alone: so what served comes back here.
void KubernetesTarget::give_up(const Error& error) {
  try {
    restore();
  } catch (const Error& second) {
    throw Error(fmt::format("{}; going back failed too: {}", error.what(), second.what()), second.hint());
  }
  throw error;
}

void KubernetesTarget::withdraw(const ServedRelease& previous) {
  if (!folder_.intended()) {
    return;  // nothing was changed, or it was undone at once
  }
  if (folder_.settled()) {
    restore();
    return;
  }
  bring_up(previous);
  shift(previous);
  settle(previous);
}

void KubernetesTarget::weigh(const ServedRelease& candidate, const ServedRelease&, int percent) {
  canary_.weigh(manifest_release(candidate, push(candidate)), percent,
                [this](const std::string& sentence) { say(sentence); });
}

void KubernetesTarget::renew_weight() {
  canary_.renew();
}

Traffic KubernetesTarget::traffic() {
  return canary_.traffic();
}

void KubernetesTarget::probe(const ServedRelease& release, std::size_t requests) {
  canary_.probe(release, requests);
}

void KubernetesTarget::stop() {
  std::set<std::string> kinds = {"deployment.apps", "job.batch", "service"};
  for (const auto& manifests : {folder_.settled(), folder_.intended()}) {
    for (const Json& each : manifests.value_or(Json::array())) {
      kinds.insert(kind_of(each));
    }
  }
  objects_.remove_all(kinds);
  folder_.remove();
}

std::optional<HttpReply> KubernetesTarget::ask(const std::string& path, std::string_view json) {
  for (const PodState& pod : canary_.pods()) {
    if (pod.ready) {
      return canary_.ask(pod, path, json);
    }
  }
  return std::nullopt;
}

std::string KubernetesTarget::manifests(const ServedRelease& release) const {
  return manifests_text(
      deployment_manifests(serving_, manifest_release(release, known_image(release)), PodExchange::beside),
      objects_.name_space());
}

std::string KubernetesTarget::diff(const ServedRelease& release) const {
  return objects_.diff(
      deployment_manifests(serving_, manifest_release(release, known_image(release)), PodExchange::beside));
}

std::string KubernetesTarget::log(std::size_t lines) const {
  const Captured log = kubectl_.run(objects_.in_namespace(
      {"logs", "--selector", objects_.selector(), "--container", server_container, "--prefix",
       fmt::format("--tail={}", lines), "--ignore-errors", "--max-log-requests=100"}));
  if (!log.ending.succeeded()) {
    throw kubectl_.failure(fmt::format("reading the log of {}", serving_.alias), log);
  }
  std::string text;
  for (const std::string& line : split(trim(log.output), '\n')) {
    text += line.empty() ? "" : printable(line) + "\n";
  }
  return text;
}

Command KubernetesTarget::log_follower() const {
  return kubectl_.command(
      objects_.in_namespace({"logs", "--selector", objects_.selector(), "--container", server_container,
                             "--prefix", "--follow", "--ignore-errors", "--max-log-requests=100"}));
}

}  // namespace mlpipe
