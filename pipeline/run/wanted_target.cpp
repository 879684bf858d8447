#include "pipeline/run/wanted_target.hpp"

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/deploy/container_target.hpp"
#include "pipeline/deploy/kubernetes_target.hpp"
#include "pipeline/deploy/local_target.hpp"
#include "pipeline/exec/requirements.hpp"
#include "pipeline/store/blobs.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using State = PlannedStep::State;

// What an image's step has yielded; null while it has not.
const Output* image_output(const Plan& plan, const Input& image) {
  const PlannedStep* step = plan.find(image.step);
  const bool ended = step != nullptr && (step->state == State::cached || step->state == State::succeeded);
  return ended && !step->chosen.empty() ? step->chosen.front().find_output(image.out) : nullptr;
}

OrderedImage image_of(const Plan& plan, const std::optional<Input>& image, const fs::path& store) {
  const Output* output = image ? image_output(plan, *image) : nullptr;
  if (output == nullptr) {
    return {};
  }
  const fs::path file = Blobs(store).path_of(*output);
  const nlohmann::json json = nlohmann::json::parse(read_file(file), nullptr, false);
  if (!json.is_object() || !json.contains("id") || !json["id"].is_string()) {
    throw Error(file.string() + ": it names no image",
                "`mlpipe run --force " + image->step + "` makes it again");
  }
  const bool in_registry = std::get<ImageAction>(plan.find(image->step)->step->action).image.in_registry;
  return {in_registry ? "" : json["id"].get<std::string>(), json.value("name", "")};
}

std::unique_ptr<Target> container_target(const DeploySpec& deploy, const Plan& plan, const Programs& programs,
                                         const fs::path& store) {
  ContainerServing serving;
  serving.alias = deploy.alias;
  serving.host = deploy.host;
  serving.port = deploy.port;
  serving.server_image = image_of(plan, deploy.image, store).id;
  serving.gateway_image = image_of(plan, deploy.gateway_image, store).id;
  serving.replicas = deploy.replicas;
  serving.resources = deploy.resources;
  serving.command = deploy.command;
  serving.container_port = deploy.container_port;
  serving.model_in_image = deploy.model_in_image;
  return std::make_unique<ContainerTarget>(Engine::find("", own_environment()), programs,
                                           store / "deployments" / deploy.alias, std::move(serving));
}

std::unique_ptr<Target> kubernetes_target(const Spec& spec, const Plan& plan, const Programs& programs,
                                          const fs::path& store) {
  const DeploySpec& deploy = *spec.deploy;
  KubernetesServing serving;
  serving.registry = cluster_registry(spec);
  if (serving.registry.empty()) {
    throw UsageError(
        "a cluster pulls the server's image from a registry, and the pipeline names none",
        "add `kubernetes: { registry: HOST/REPOSITORY }`; with `remote: oci://…` that one is taken");
  }
  serving.pipeline = spec.name;
  serving.alias = deploy.alias;
  serving.context = spec.cluster.context;
  serving.server = image_of(plan, deploy.image, store);
  serving.replicas = deploy.replicas;
  serving.most_replicas = deploy.most_replicas;
  serving.resources = deploy.resources;
  serving.command = deploy.command;
  serving.container_port = deploy.container_port;
  serving.place = deploy.place;
  serving.exposure = deploy.exposure;
  serving.deadline = deploy.deadline;
  return std::make_unique<KubernetesTarget>(Kubectl::find(serving.context, own_environment()), programs,
                                            store / "deployments" / deploy.alias, std::move(serving));
}

std::unique_ptr<Target> local_target(const DeploySpec& deploy, const Programs& programs,
                                     const fs::path& store, FileHashes& hashes) {
  LocalServing serving{deploy.alias,   deploy.host,    deploy.port,
                       programs.agent, programs.serve, identity_of(programs.serve, hashes)};
  if (serving.server_identity.empty()) {
    throw Error("mlpipe-serve is not installed beside mlpipe, and the pipeline deploys",
                "install all of mlpipe's programs into one folder");
  }
  return std::make_unique<LocalTarget>(store / "deployments" / deploy.alias, std::move(serving));
}

}  // namespace

std::unique_ptr<Target> wanted_target(const Spec& spec, const Plan& plan, const Programs& programs,
                                      const fs::path& store, FileHashes& hashes) {
  if (!spec.deploy) {
    return nullptr;
  }
  if (spec.deploy->target == "kubernetes") {
    return kubernetes_target(spec, plan, programs, store);
  }
  return spec.deploy->target == "container" ? container_target(*spec.deploy, plan, programs, store)
                                            : local_target(*spec.deploy, programs, store, hashes);
}

WantedServing wanted_serving(const Spec& spec, const Plan& plan, const Target* target) {
  if (target == nullptr) {
    return {};
  }
  WantedServing wanted = target->wanted();
  for (const auto& image : {spec.deploy->image, spec.deploy->gateway_image}) {
    if (image && image_output(plan, *image) == nullptr) {
      wanted.after = image->step;
      break;
    }
  }
  return wanted;
}

}  // namespace mlpipe
