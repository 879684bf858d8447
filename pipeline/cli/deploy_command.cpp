#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_deployment.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/deploy/container_target.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/registry/registry.hpp"

namespace mlpipe {

int deploy_command(const Invocation& invocation) {
  const auto form = invocation.value("--export");
  if (!form) {
    throw UsageError("deploy writes a deployment down for other programs, and --export says for which",
                     "--export compose; `mlpipe run` deploys");
  }
  if (*form != "compose") {
    throw UsageError(fmt::format("a deployment cannot be exported as '{}'", printable(*form)),
                     "known: compose");
  }
  const Store store = find_store_to_read(invocation);
  const DeploymentRecord record = only_deployment(invocation, store);
  const auto release = Registry(store).find(record.model, record.version);
  const auto target =
      record.target == "container" && record.phase != "stopped" && release
          ? ContainerTarget::existing(store.deployment_directory(record.alias), Programs::beside_this_one())
          : nullptr;
  if (target == nullptr || !target->observe().running) {
    throw UsageError(fmt::format("{} does not serve from containers", record.alias),
                     "`mlpipe run` with `target: container` first");
  }
  fmt::print("{}", target->compose(release->model, served(store, *release)));
  return 0;
}

}  // namespace mlpipe
