#include "pipeline/deploy/kubernetes_canary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"
#include "pipeline/deploy/probe.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto answer_patience = 10s;
constexpr auto probe_patience = 65s;  // more than a server takes to turn one down
constexpr auto outage_patience = 60s;
constexpr auto look_interval = 1s;         // between two looks at what servers have counted
constexpr std::chrono::seconds slack{10};  // clocks and the cluster take their time
constexpr int most_looks_for_words = 5;
constexpr double nearly_exact = 1;  // percent
constexpr const char* candidate_track = "candidate";
constexpr const char* stable_track = "stable";
constexpr int server_error = 500;
constexpr int client_error = 400;

// What `kubectl proxy` answers by itself while it reaches nobody.
bool is_outage(const std::optional<HttpReply>& answer) {
  constexpr int bad_gateway = 502;
  return !answer || answer->status >= bad_gateway;
}

std::vector<PodState> ready_ones(const std::vector<PodState>& pods, const char* track) {
  std::vector<PodState> ready;
  std::copy_if(pods.begin(), pods.end(), std::back_inserter(ready),
               [track](const PodState& pod) { return pod.ready && pod.track == track; });
  return ready;
}

}  // namespace

std::string last_words(const Kubectl& kubectl, const ClusterObjects& objects, const PodState& pod) {
  if (!pod.has_words) {
    return "";
  }
  // What a kubelet prints, as if that were the log, for a run that its runtime has removed meanwhile: the
  // next one has its words soon.
  constexpr std::string_view removed = "unable to retrieve container logs for";
  for (int round = 0; round < most_looks_for_words; ++round) {
    bool is_removed = false;
    for (const char* run : {"--previous=true", "--previous=false"}) {
      const Captured log = kubectl.run(
          objects.in_namespace({"logs", pod.name, "--container", server_container, "--tail=20", run}));
      const std::string words(log.ending.succeeded() ? trim(log.output) : "");
      if (words.starts_with(removed)) {
        is_removed = true;
      } else if (!words.empty()) {
        return "\n" + printable(words);
      }
    }
    if (!is_removed) {
      break;
    }
    std::this_thread::sleep_for(look_interval);
  }
  return "";
}

const ApiProxy& KubernetesCanary::proxy() {
  if (!proxy_) {
    proxy_ = std::make_unique<ApiProxy>(kubectl_);
  }
  return *proxy_;
}

std::vector<PodState> KubernetesCanary::pods() {
  const std::string path =
      fmt::format("/api/v1/namespaces/{}/pods?labelSelector={}%3D{}%2C{}%3Dserver", objects_.name_space(),
                  cluster_label::instance, serving_.name(), cluster_label::component);
  const auto give_up = Clock::now() + outage_patience;
  auto answer = proxy().get(path, answer_patience);
  while (is_outage(answer) && Clock::now() < give_up) {
    std::this_thread::sleep_for(look_interval);
    answer = proxy().get(path, answer_patience);
  }
  const Json json = answer ? Json::parse(answer->body, nullptr, false) : Json();
  if (!answer || answer->status != 200 || !json.is_object() || !json.contains("items")) {
    throw cluster_failure("asking which servers run",
                          json.is_object() ? json.value("message", "") : "the API server does not answer");
  }
  return states_of_pods(json["items"].get<std::vector<Json>>());
}

void KubernetesCanary::apply(std::chrono::seconds lease) const {
  const auto elapsed = std::chrono::ceil<std::chrono::seconds>(Clock::now() - began_);
  objects_.apply(Json::array({candidate_manifest(serving_, *release_, wanted_, elapsed + lease)}),
                 fmt::format("starting release {} beside what serves", release_->version));
}

void KubernetesCanary::weigh(const ManifestRelease& release, int percent, const Target::Say& say) {
  const auto stable = static_cast<int>(ready_ones(pods(), stable_track).size());
  if (stable == 0) {
    throw Error("no server of the release that serves is ready: there is nothing to compare with");
  }
  const bool has_route = !serving_.exposure.gateway.empty();
  if (!release_) {
    remove(true);  // of a rollout that was cut off
    began_ = Clock::now();
    release_ = release;
  }
  wanted_ = has_route ? pods_for_route(stable, percent) : candidate_pods(stable, percent);
  const auto patience = std::chrono::ceil<std::chrono::seconds>(serving_.deadline);
  apply(patience + weight_lease + slack);
  wait_until_ready();
  apply(weight_lease + slack);
  if (has_route) {
    objects_.apply(Json::array({route_manifest(serving_, percent, wanted_, stable)}),
                   "sharing the requests out");
  } else if (const double share = share_of(wanted_, stable); std::abs(share - percent) >= nearly_exact) {
    say(fmt::format("release {} gets {:.0f} % of the requests, not {} %: it is {} beside {}", release.version,
                    share, percent, count_of(static_cast<std::size_t>(wanted_), "server"), stable));
  }
  const std::vector<PodState> now = pods();
  candidate_before_ = counts_of(now, candidate_track);
  current_before_ = counts_of(now, stable_track);
  candidate_probes_ = {};
  current_probes_ = {};
  seen_ = {};
  looked_ = {};
}

void KubernetesCanary::wait_until_ready() {
  ClusterWatch watch(kubectl_, objects_.name_space(), objects_.selector(), {"pods"});
  const auto deadline = Clock::now() + serving_.deadline;
  while (true) {
    const std::vector<PodState> states = states_of_pods(watch.objects("pods"));
    if (static_cast<int>(ready_ones(states, candidate_track).size()) >= wanted_) {
      return;
    }
    const bool over = Clock::now() >= deadline;
    for (const PodState& pod : states) {
      if (pod.track == candidate_track && !pod.ready && !pod.ending && (pod.hopeless || pod.ended || over)) {
        throw Error(fmt::format("a server of release {} did not get ready: {} {}{}", release_->version,
                                pod.name, pod.state, last_words(kubectl_, objects_, pod)));
      }
    }
    if (over) {
      throw Error(fmt::format("the servers of release {} were not there after {}", release_->version,
                              format_duration(serving_.deadline)),
                  fmt::format("`kubectl describe job {}` says why", candidate_name(serving_)));
    }
    watch.wait(deadline);
  }
}

void KubernetesCanary::renew() {
  if (release_) {
    apply(weight_lease + slack);
  }
}

KubernetesCanary::Counts KubernetesCanary::counts_of(const std::vector<PodState>& pods, const char* track) {
  Counts counts;
  if (!serving_.is_own_server()) {
    return counts;
  }
  for (const PodState& pod : ready_ones(pods, track)) {
    const auto answer = proxy().get(fmt::format("/api/v1/namespaces/{}/pods/{}:{}/proxy/metrics",
                                                objects_.name_space(), pod.name, cluster_admin_port),
                                    answer_patience);
    if (answer && answer->status == 200) {
      counts[pod.name] = counts_in_metrics(answer->body);
    }
  }
  return counts;
}

Observation KubernetesCanary::grown(const Counts& now, const Counts& before,
                                    const VersionCounts& probes) const {
  VersionCounts all = probes;
  for (const auto& [pod, counts] : now) {
    const auto earlier = before.find(pod);
    all.add(counts.grown_since(earlier == before.end() ? VersionCounts{} : earlier->second));
  }
  return all.observation();
}

Traffic KubernetesCanary::traffic() {
  if (!release_ || Clock::now() - looked_ < look_interval) {
    return seen_;
  }
  looked_ = Clock::now();
  const std::vector<PodState> now = pods();
  for (const PodState& pod : now) {
    if (pod.track == candidate_track && (pod.ended || pod.hopeless)) {
      throw Error(fmt::format("a server of release {} has ended: {} {}{}", release_->version, pod.name,
                              pod.state, last_words(kubectl_, objects_, pod)));
    }
  }
  if (ready_ones(now, candidate_track).empty()) {
    throw Error(fmt::format("no server of release {} is ready any more", release_->version));
  }
  seen_.candidate = grown(counts_of(now, candidate_track), candidate_before_, candidate_probes_);
  seen_.current = grown(counts_of(now, stable_track), current_before_, current_probes_);
  return seen_;
}

std::optional<HttpReply> KubernetesCanary::ask(const PodState& pod, const std::string& path,
                                               std::string_view json) {
  return proxy().post(fmt::format("/api/v1/namespaces/{}/pods/{}:{}/proxy{}", objects_.name_space(), pod.name,
                                  serving_.container_port, path),
                      json, probe_patience);
}

void KubernetesCanary::probe(const ServedRelease& release, std::size_t requests) {
  const bool is_candidate = release_ && release_->version == release.version;
  const std::vector<PodState> servers = ready_ones(pods(), is_candidate ? candidate_track : stable_track);
  if (servers.empty()) {
    throw Error(fmt::format("no server of release {} is there to be probed", release.version));
  }
  const Model model = read_model(release.directory);
  VersionCounts& counts = is_candidate ? candidate_probes_ : current_probes_;
  for (std::size_t i = 0; i < requests; ++i) {
    const auto began = Clock::now();
    const auto answer = ask(servers[i % servers.size()], probe_path(model, ""), probe_body(model, i));
    if (!answer || (answer->status >= client_error && answer->status < server_error)) {
      throw Error(fmt::format("release {} cannot be probed: {}", release.version,
                              answer
                                  ? fmt::format("it turned the request down with status {}", answer->status)
                                  : "it did not answer"));
    }
    if (!serving_.is_own_server()) {  // nobody else counts them
      ++(answer->status >= server_error ? counts.errors : counts.answered);
      ++counts.latencies[std::chrono::duration<double>(Clock::now() - began).count()];
    }
  }
  looked_ = {};
}

void KubernetesCanary::remove(bool wait) {
  release_.reset();
  objects_.remove(
      Json::array({Json{
          {"apiVersion", "batch/v1"}, {"kind", "Job"}, {"metadata", {{"name", candidate_name(serving_)}}}}}),
      wait);
}

}  // namespace mlpipe
