#include "pipeline/run/cluster_view.hpp"

#include <fmt/format.h>

#include <memory>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/deploy/kubernetes_target.hpp"
#include "pipeline/registry/registry.hpp"
#include "pipeline/run/wanted_target.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

bool is_in_cluster(const Spec& spec) {
  return spec.model && spec.deploy && spec.deploy->target == "kubernetes";
}

std::optional<Release> release_of(const Spec& spec, const Effects& effects, const Store& store) {
  const Registry registry(store);
  const bool moves = effects.publish == Effects::Publish::move && effects.version != 0;
  return moves ? registry.find(spec.model->name, effects.version)
               : registry.resolve(spec.model->name, spec.deploy->alias);
}

std::unique_ptr<Target> target_of(const Spec& spec, const Plan& plan, const fs::path& store) {
  FileHashes no_hashes(nullptr);
  return wanted_target(spec, plan, Programs::beside_this_one(), store, no_hashes);
}

}  // namespace

std::string cluster_manifests(const Spec& spec, const Plan& plan, const Effects& effects,
                              const fs::path& store) {
  if (!is_in_cluster(spec)) {
    throw UsageError("the pipeline does not deploy to a cluster",
                     "`deploy: { target: kubernetes }` in its file, or a profile that has it");
  }
  const std::optional<Store> read = Store::open_to_read(store);
  const auto release = read ? release_of(spec, effects, *read) : std::nullopt;
  if (!release) {
    throw UsageError(
        fmt::format("no release of {} is there for {} yet", spec.model->name, spec.deploy->alias),
        "`mlpipe run` publishes one");
  }
  const auto target = target_of(spec, plan, store);
  if (const std::string after = wanted_serving(spec, plan, target.get()).after; !after.empty()) {
    throw UsageError(fmt::format("the server's image is not there before {} has run", after),
                     fmt::format("`mlpipe run --until {}`", after));
  }
  return dynamic_cast<const KubernetesTarget&>(*target).manifests(served(*read, *release));
}

std::vector<ClusterChange> cluster_changes(const Spec& spec, const Plan& plan, const Effects& effects,
                                           const fs::path& store) {
  const bool rolls = effects.rollout != Effects::Rollout::none &&
                     effects.rollout != Effects::Rollout::unchanged &&
                     effects.rollout != Effects::Rollout::start;
  if (!is_in_cluster(spec) || !rolls) {
    return {};
  }
  const std::optional<Store> read = Store::open_to_read(store);
  const auto release = read ? release_of(spec, effects, *read) : std::nullopt;
  if (!release || !Registry(*read).has_files(*release)) {
    return {};
  }
  const auto target = target_of(spec, plan, store);
  if (!wanted_serving(spec, plan, target.get()).after.empty()) {
    return {};
  }
  return changes_in(dynamic_cast<const KubernetesTarget&>(*target).diff(served(*read, *release)));
}

std::vector<ClusterChange> changes_in(const std::string& unified) {
  std::vector<ClusterChange> changes;
  for (const std::string& line : split(unified, '\n')) {
    if (line.starts_with("+++ ")) {  // "+++ /tmp/MERGED-1/apps.v1.Deployment.NAMESPACE.NAME<tab>TIME"
      changes.push_back({split(line.substr(0, line.find('\t')), '/').back(), {}});
      continue;
    }
    const bool is_change = (line.starts_with('-') && !line.starts_with("--- ")) || line.starts_with('+');
    if (is_change && !changes.empty() && !trim(std::string_view(line).substr(1)).starts_with("generation:")) {
      changes.back().lines.push_back(line);
    }
  }
  return changes;
}

}  // namespace mlpipe
