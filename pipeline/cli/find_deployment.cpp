#include "pipeline/cli/find_deployment.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

DeploymentRecord only_deployment(const Invocation& invocation, const Store& store) {
  std::vector<DeploymentRecord> all = deployments(store);
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const DeploymentRecord& record : all) {
    names.push_back(record.alias);
  }
  if (const auto named = invocation.value("--alias")) {
    for (DeploymentRecord& record : all) {
      if (record.alias == *named) {
        return std::move(record);
      }
    }
    throw UsageError(fmt::format("there is no deployment '{}'", printable(*named)),
                     suggest_name(*named, names));
  }
  if (all.empty()) {
    throw UsageError("nothing has been deployed from this store", "`mlpipe run` deploys");
  }
  if (all.size() > 1) {
    throw UsageError("there are several deployments: choose one with --alias", join(names, ", "));
  }
  return std::move(all.front());
}

}  // namespace mlpipe
