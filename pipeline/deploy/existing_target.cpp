#include "pipeline/deploy/existing_target.hpp"

#include "pipeline/deploy/container_target.hpp"
#include "pipeline/deploy/kubernetes_target.hpp"
#include "pipeline/deploy/local_target.hpp"

namespace mlpipe {

std::unique_ptr<Target> existing_target(const Store& store, const DeploymentRecord& record,
                                        const Programs& programs) {
  const std::filesystem::path directory = store.deployment_directory(record.alias);
  if (record.target == "container") {
    return ContainerTarget::existing(directory, programs);
  }
  if (record.target == "kubernetes") {
    return KubernetesTarget::existing(directory, programs);
  }
  return std::make_unique<LocalTarget>(LocalTarget::existing(directory, programs.agent));
}

}  // namespace mlpipe
