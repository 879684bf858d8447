#pragma once

#include <string>
#include <vector>

#include "tests/cluster/cluster.hpp"

namespace mlpipe {

// A kind that not every cluster knows.
struct CustomKind {
  std::string group;
  std::string version;
  std::string kind;
  std::string plural;
};

// OpenShift's Route, the Gateway API's HTTPRoute, the Prometheus operator's ServiceMonitor and
// PrometheusRule.
const std::vector<CustomKind>& custom_kinds();

// Teaches the cluster, as long as this lives, those of the kinds that it does not know: any content is valid.
class CustomDefinitions {
 public:
  explicit CustomDefinitions(const Cluster& cluster, std::vector<CustomKind> kinds = custom_kinds());
  ~CustomDefinitions();
  CustomDefinitions(const CustomDefinitions&) = delete;
  CustomDefinitions& operator=(const CustomDefinitions&) = delete;

  // Whether the cluster knew the kind before, and looks at what it is given.
  bool was_known(const std::string& kind) const;

 private:
  const Cluster& cluster_;
  std::vector<CustomKind> made_;
};

}  // namespace mlpipe
