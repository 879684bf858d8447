#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_deployment.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/cli/with_plan.hpp"
#include "pipeline/deploy/container_target.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/registry/registry.hpp"
#include "pipeline/run/cluster_view.hpp"

namespace mlpipe {

namespace {

int print_compose(const Invocation& invocation) {
  const std::string form = *invocation.value("--export");
  if (form != "compose") {
    throw UsageError(fmt::format("a deployment cannot be exported as '{}'", printable(form)),
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

int print_manifests(const Invocation& invocation) {
  if (const std::string form = invocation.value_or("--output", "yaml"); form != "yaml") {
    throw UsageError(fmt::format("manifests cannot be printed as '{}'", printable(form)), "known: yaml");
  }
  std::string manifests;
  with_plan(invocation, [&](const Plan& plan, const Effects& effects, const Spec& spec) {
    manifests = cluster_manifests(spec, plan, effects, Store::default_directory(spec.project));
  });
  fmt::print("{}", manifests);
  return 0;
}

}  // namespace

int deploy_command(const Invocation& invocation) {
  if (invocation.has("--dry-run")) {
    return print_manifests(invocation);
  }
  if (invocation.has("--export")) {
    return print_compose(invocation);
  }
  throw UsageError("deploy writes a deployment down for other programs, and is not told for which",
                   "--export compose, or --dry-run -o yaml for a cluster; `mlpipe run` deploys");
}

}  // namespace mlpipe
