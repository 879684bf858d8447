#include "tests/cluster/definitions.hpp"

#include <algorithm>
#include <cctype>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

std::string name_of(const CustomKind& kind) {
  return kind.plural + "." + kind.group;
}

Json definition_of(const CustomKind& kind) {
  std::string singular = kind.kind;
  std::transform(singular.begin(), singular.end(), singular.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const Json anything = {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
  const Json version = {{"name", kind.version},
                        {"served", true},
                        {"storage", true},
                        {"schema", {{"openAPIV3Schema", anything}}}};
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata",
           {{"name", name_of(kind)},
            // Without it the API server takes no definition of its own groups from anybody.
            {"annotations", {{"api-approved.kubernetes.io", "unapproved, for a test"}}}}},
          {"spec",
           {{"group", kind.group},
            {"scope", "Namespaced"},
            {"names", {{"kind", kind.kind}, {"plural", kind.plural}, {"singular", singular}}},
            {"versions", Json::array({version})}}}};
}

}  // namespace

const std::vector<CustomKind>& custom_kinds() {
  static const std::vector<CustomKind> kinds = {
      {"route.openshift.io", "v1", "Route", "routes"},
      {"gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"},
      {"monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"},
      {"monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"}};
  return kinds;
}

CustomDefinitions::CustomDefinitions(const Cluster& cluster, std::vector<CustomKind> kinds)
    : cluster_(cluster) {
  for (CustomKind& kind : kinds) {
    const Captured made = cluster.run({"create", "--filename=-"}, definition_of(kind).dump());
    if (made.ending.succeeded()) {
      cluster.wait_for("crd/" + name_of(kind), "condition=Established");
      made_.push_back(std::move(kind));
    } else if (made.error.find("AlreadyExists") == std::string::npos) {
      throw Error("defining " + kind.kind + ": " + made.error);
    }
  }
}

CustomDefinitions::~CustomDefinitions() {
  for (const CustomKind& kind : made_) {
    const Captured gone = cluster_.run({"delete", "crd", name_of(kind), "--wait", "--timeout=60s"});
    EXPECT_TRUE(gone.ending.succeeded()) << gone.error;
  }
}

bool CustomDefinitions::was_known(const std::string& kind) const {
  return std::none_of(made_.begin(), made_.end(), [&](const CustomKind& made) { return made.kind == kind; });
}

}  // namespace mlpipe
