#include "pipeline/spec/cluster_reader.hpp"

#include <fmt/format.h>

#include <cctype>

#include "pipeline/base/quantity.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::string_view lower_case = "abcdefghijklmnopqrstuvwxyz0123456789";

class ClusterReader {
 public:
  ClusterReader(const References& references, Diagnostics& diagnostics)
      : references_(references), diagnostics_(diagnostics) {}

  std::optional<std::string> text(const YamlNode* node) const {
    Usage not_counted;
    return node != nullptr && node->is_scalar() && !node->is_null() ? references_.text(*node, not_counted)
                                                                    : std::nullopt;
  }

  // Leaves `value` as it is where the key is not there.
  void read(const YamlNode& node, const char* key, std::string& value) const {
    if (const auto found = text(node.find(key))) {
      value = *found;
    }
  }

  // A name of Kubernetes': its rules are those of DNS.
  void read_name(const YamlNode& node, const char* key, std::string& value) const {
    const YamlNode* written = node.find(key);
    read(node, key, value);
    if (written != nullptr && written->is_scalar()) {
      check_name(*written, value);
    }
  }

  void check_name(const YamlNode& node, const std::string& name) const {
    constexpr std::size_t longest = 253;
    const bool ends_well = !name.empty() && lower_case.find(name.front()) != std::string::npos &&
                           lower_case.find(name.back()) != std::string::npos;
    if (!ends_well || name.size() > longest ||
        name.find_first_not_of(std::string(lower_case) + "-.") != std::string::npos) {
      diagnostics_.add(node, fmt::format("'{}' is no name in Kubernetes", printable(name)),
                       "those have lower-case letters, digits, '-' and '.'");
    }
  }

  void read_map(const YamlNode& node, const char* key, std::map<std::string, std::string>& values) const {
    const YamlNode* written = node.find(key);
    if (written == nullptr || !written->is_mapping()) {
      return;
    }
    values.clear();
    for (const YamlEntry& entry : written->entries) {
      values[entry.key] = text(&entry.value).value_or("");
    }
  }

  void read_tolerations(const YamlNode& node, ClusterPlace& place) const {
    const YamlNode* written = node.find("tolerations");
    if (written == nullptr) {
      return;
    }
    place.tolerations.clear();
    for (const YamlNode& item : written->items) {
      Toleration toleration;
      read(item, "key", toleration.key);
      read(item, "operator", toleration.operation);
      read(item, "value", toleration.value);
      read(item, "effect", toleration.effect);
      if (const auto seconds = text(item.find("seconds"))) {
        toleration.seconds = parse_integer(*seconds);
      }
      place.tolerations.push_back(std::move(toleration));
    }
  }

  void read_user(const YamlNode& node, ClusterPlace& place) const {
    const auto user = text(node.find("user"));
    if (!user) {
      return;
    }
    place.user = *user == "cluster" ? std::nullopt : parse_integer(*user);
  }

  std::optional<std::chrono::milliseconds> duration(const YamlNode* node) const {
    const auto found = text(node);
    if (!found) {
      return std::nullopt;
    }
    const auto duration = parse_duration(*found);
    if (!duration) {
      diagnostics_.add(*node, "expected a duration", "write a number with a unit, as in 30s, 5m or 1h30m");
    }
    return duration;
  }

  std::optional<int> integer(const YamlNode* node) const {
    const auto found = text(node);
    const auto number = found ? parse_integer(*found) : std::nullopt;
    return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
  }

 private:
  const References& references_;
  Diagnostics& diagnostics_;
};

}  // namespace

void read_cluster_place(const YamlNode& node, const References& references, Diagnostics& diagnostics,
                        ClusterPlace& place) {
  const ClusterReader reader(references, diagnostics);
  reader.read_name(node, "namespace", place.name_space);
  reader.read_name(node, "service-account", place.service_account);
  reader.read_name(node, "priority-class", place.priority_class);
  reader.read_name(node, "queue", place.queue);
  if (const YamlNode* secrets = node.find("image-pull-secrets")) {
    place.image_pull_secrets.clear();
    for (const YamlNode& item : secrets->items) {
      place.image_pull_secrets.push_back(reader.text(&item).value_or(""));
      reader.check_name(item, place.image_pull_secrets.back());
    }
  }
  reader.read_map(node, "node-selector", place.node_selector);
  reader.read_map(node, "labels", place.labels);
  reader.read_map(node, "annotations", place.annotations);
  reader.read_tolerations(node, place);
  reader.read_user(node, place);
}

ClusterAccess read_cluster_access(const YamlNode& node, const References& references,
                                  Diagnostics& diagnostics) {
  const ClusterReader reader(references, diagnostics);
  ClusterAccess access;
  reader.read(node, "context", access.context);
  reader.read(node, "registry", access.registry);
  reader.read(node, "remote", access.pod_remote);
  reader.read_name(node, "remote-secret", access.remote_secret);
  reader.read_name(node, "secrets", access.secrets);
  if (const auto keep = reader.duration(node.find("keep"))) {
    access.keep = std::chrono::ceil<std::chrono::seconds>(*keep);
  }
  return access;
}

void read_cluster_exposure(const YamlNode& node, const References& references, Diagnostics& diagnostics,
                           DeploySpec& deploy) {
  const ClusterReader reader(references, diagnostics);
  ClusterExposure& exposure = deploy.exposure;
  reader.read(node, "service", exposure.service);
  exposure.node_port = reader.integer(node.find("node-port"));
  if (exposure.node_port && exposure.service == "ClusterIP") {
    diagnostics.add(*node.find("node-port"), "a Service of the type ClusterIP has no node port",
                    "add `service: NodePort`");
  }
  if (const YamlNode* ingress = node.find("ingress")) {
    reader.read_name(*ingress, "host", exposure.ingress_host);
    reader.read_name(*ingress, "class", exposure.ingress_class);
    reader.read_name(*ingress, "tls-secret", exposure.ingress_tls_secret);
  }
  if (const YamlNode* route = node.find("http-route")) {
    reader.read(*route, "gateway", exposure.gateway);
    reader.read_name(*route, "host", exposure.gateway_host);
  }
  if (const YamlNode* route = node.find("route")) {
    reader.read_name(*route, "host", exposure.route_host);
  }
  if (const auto policy = reader.text(node.find("network-policy"))) {
    exposure.network_policy = *policy != "false";
  }
  if (const auto deadline = reader.duration(node.find("deadline"))) {
    deploy.deadline = *deadline;
  }
}

}  // namespace mlpipe
