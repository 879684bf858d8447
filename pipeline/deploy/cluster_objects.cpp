#include "pipeline/deploy/cluster_objects.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"
#include "pipeline/deploy/kubernetes_manifests.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr auto outage_patience = 60s;
constexpr auto outage_interval = 1s;
constexpr const char* removal_patience = "--timeout=120s";  // more than the grace of a server

std::string list_of(const Json& manifests) {
  return Json{{"apiVersion", "v1"}, {"kind", "List"}, {"items", manifests}}.dump();
}

// kubectl prints nothing, one object, or a List of them.
Json items_in(const std::string& output) {
  const Json json = Json::parse(output, nullptr, false);
  if (!json.is_object()) {
    return Json::array();
  }
  return json.contains("items") ? json["items"] : Json::array({json});
}

std::string name_in(const Json& manifest) {
  return manifest.at("metadata").at("name").get<std::string>();
}

// Who has written to it, besides the cluster's own parts.
std::string owners_of(const Json& live) {
  std::vector<std::string> owners;
  for (const Json& entry : live.at("metadata").value("managedFields", Json::array())) {
    const std::string owner = entry.value("manager", "");
    if (owner != "kube-controller-manager" && !owner.empty() &&
        std::find(owners.begin(), owners.end(), owner) == owners.end()) {
      owners.push_back(printable(owner));
    }
  }
  return owners.empty() ? "another" : join(owners, " and ");
}

}  // namespace

std::string ClusterObjects::selector() const {
  return selector_of(name_);
}

std::vector<std::string> ClusterObjects::in_namespace(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--namespace", name_space_});
  return arguments;
}

// An API server that is replaced or started again is away for half a minute.
Captured ClusterObjects::call_patiently(std::vector<std::string> arguments, const std::string& input) const {
  const auto give_up = std::chrono::steady_clock::now() + outage_patience;
  while (true) {
    Captured captured = kubectl_.run(in_namespace(arguments), input);
    if (captured.ending.succeeded() || !says_unreachable(captured.error) ||
        std::chrono::steady_clock::now() > give_up) {
      return captured;
    }
    std::this_thread::sleep_for(outage_interval);
  }
}

void ClusterObjects::apply(const Json& manifests, const std::string& doing) const {
  crash_point("apply to a cluster");
  const Captured applied =
      call_patiently({"apply", "--server-side", fmt::format("--field-manager={}", field_manager), "-f", "-"},
                     list_of(manifests));
  if (!applied.ending.succeeded()) {
    throw kubectl_.failure(doing, applied);
  }
  crash_point("applied to a cluster");
}

void ClusterObjects::try_out(const Json& manifests, const std::string& doing) const {
  const Captured tried = call_patiently({"apply", "--server-side", "--dry-run=server",
                                         fmt::format("--field-manager={}", field_manager), "-f", "-"},
                                        list_of(manifests));
  if (!tried.ending.succeeded()) {
    throw kubectl_.failure(doing, tried);
  }
}

std::string ClusterObjects::diff(const Json& manifests) const {
  const Captured compared = kubectl_.run(
      in_namespace({"diff", "--server-side", fmt::format("--field-manager={}", field_manager), "-f", "-"}),
      list_of(manifests));
  constexpr int differs = 1;
  if (!compared.ending.succeeded() && !(compared.ending.exit_code == differs && !compared.output.empty())) {
    throw kubectl_.failure("comparing with the cluster", compared);
  }
  return compared.output;
}

Json ClusterObjects::find(const Json& manifests) const {
  const Captured found = kubectl_.run(
      in_namespace({"get", "--ignore-not-found", "--show-managed-fields", "--output", "json", "-f", "-"}),
      list_of(manifests));
  if (!found.ending.succeeded()) {
    throw kubectl_.failure("looking at what is there already", found);
  }
  return items_in(found.output);
}

Json ClusterObjects::list(const std::string& kinds) const {
  const Captured listed =
      kubectl_.run(in_namespace({"get", kinds, "--selector", selector(), "--output", "json"}));
  if (!listed.ending.succeeded()) {
    throw kubectl_.failure(fmt::format("looking at {}", name_), listed);
  }
  return items_in(listed.output);
}

void ClusterObjects::remove(const Json& manifests, bool wait) const {
  if (manifests.empty()) {
    return;
  }
  crash_point("remove from a cluster");
  const Captured removed =
      call_patiently({"delete", "--ignore-not-found", wait ? "--cascade=foreground" : "--cascade=background",
                      wait ? "--wait=true" : "--wait=false", removal_patience, "-f", "-"},
                     list_of(manifests));
  if (!removed.ending.succeeded()) {
    throw kubectl_.failure(fmt::format("removing what {} does not need any more", name_), removed);
  }
  crash_point("removed from a cluster");
}

void ClusterObjects::remove_all(const std::set<std::string>& kinds) const {
  crash_point("remove from a cluster");
  const Captured removed = call_patiently(
      {"delete", join(std::vector<std::string>(kinds.begin(), kinds.end()), ","), "--selector", selector(),
       "--ignore-not-found", "--cascade=foreground", "--wait=true", removal_patience});
  if (!removed.ending.succeeded()) {
    throw kubectl_.failure(fmt::format("removing {}", name_), removed);
  }
  crash_point("removed from a cluster");
}

void ClusterObjects::require_own(const Json& live) const {
  for (const Json& each : live) {
    const Json labels = each.at("metadata").value("labels", Json::object());
    if (labels.value(cluster_label::managed_by, "") != "mlpipe" ||
        labels.value(cluster_label::instance, "") != name_) {
      throw Error(
          fmt::format("there is a {} {} in namespace {} already, made by {} and not for this deployment",
                      each.value("kind", "object"), name_in(each), name_space_, owners_of(each)),
          "give the deployment another alias or namespace, or take that object away");
    }
  }
}

std::string kind_of(const Json& manifest) {
  std::string kind = manifest.at("kind");
  std::transform(kind.begin(), kind.end(), kind.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string version = manifest.at("apiVersion");
  const std::size_t slash = version.find('/');
  return slash == std::string::npos ? kind : kind + "." + version.substr(0, slash);
}

Json left_over(const Json& before, const Json& after) {
  std::set<std::pair<std::string, std::string>> kept;
  for (const Json& each : after) {
    kept.emplace(kind_of(each), name_in(each));
  }
  Json left = Json::array();
  for (const Json& each : before) {
    if (!kept.contains({kind_of(each), name_in(each)})) {
      left.push_back(each);
    }
  }
  return left;
}

}  // namespace mlpipe
