#include "pipeline/exec/job_folder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "pipeline/base/crash_point.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/pod_order.hpp"
#include "pipeline/exec/clone_file.hpp"
#include "pipeline/exec/engine_images.hpp"
#include "pipeline/exec/image_job.hpp"
#include "pipeline/plan/derivation.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* training_file = ".mlpipe-train.json";

void bring_dependencies(const Spec& spec, const Step& step, const Snapshot& snapshot, const Store& store,
                        const fs::path& work) {
  FileHashes hashes(&store.database());
  for (const Dependency& dependency : step.deps) {
    for (const DependencyFile& file : snapshot.dependencies.at(dependency.path)) {
      const fs::path from = spec.project / file.path;
      const fs::path to = work / file.path;
      if (fs::exists(to)) {
        continue;  // two dependencies overlap
      }
      fs::create_directories(to.parent_path());
      clone_file(from, to, file.executable ? 0755 : 0644);
      // Looked at after the copy: what was copied is what the key says.
      if (hashes.digest(from) != file.digest) {
        throw Error(fmt::format("{} changed after the plan was made", from.string()), "run again");
      }
    }
    std::error_code error;
    if (fs::is_directory(spec.project / dependency.path, error)) {
      fs::create_directories(work / dependency.path);
    }
  }
}

// What an earlier attempt left is there for the next; a result that was asked for anew starts from nothing.
void bring_checkpoints(const PlannedStep& planned, const fs::path& checkpoints) {
  if (planned.anew && planned.retries == 0) {
    remove_tree(checkpoints);
  }
  fs::create_directories(checkpoints);
}

// Links suffice where permissions keep a job from writing into the store; for root they do not, so it gets
// copies.
void bring_input(const Output& output, const fs::path& to, const Store& store) {
  fs::create_directories(to.parent_path());
  if (::geteuid() == 0) {
    store.blobs().copy_to(output, to);
  } else {
    fs::create_symlink(store.blobs().path_of(output), to);
  }
}

// Calls `bring(output, path)` for each, the path relative to the work directory.
template <typename Bring>
void for_each_input(const Plan& plan, const Step& step, Bring bring) {
  for (const Input& input : step.inputs) {
    const PlannedStep& before = *plan.find(input.step);
    const std::vector<Output> outputs = before.outputs(input.out);
    if (!before.step->select.takes_many()) {
      bring(outputs.front(), fs::path(input.path()));
      continue;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      bring(outputs[i], input.path() / fs::path(position_name(i, outputs.size())));
    }
  }
}

// The step's own variables over those that every job has.
std::map<std::string, std::string> environment_of(const Step& step,
                                                  std::map<std::string, std::string> environment) {
  environment["LANG"] = "C.UTF-8";
  for (const auto& [name, value] : step.environment) {
    environment[name] = value;
  }
  return environment;
}

void prepare_here(const Plan& plan, const Step& step, const Store& store, const fs::path& directory,
                  const fs::path& checkpoints, const std::vector<std::string>& gpus, Job& job) {
  job.work_directory = directory / "work";
  for_each_input(plan, step, [&](const Output& output, const fs::path& path) {
    bring_input(output, job.work_directory / path, store);
  });
  std::map<std::string, std::string> environment = {{"TMPDIR", directory.string()}};
  for (const char* name : {"PATH", "HOME"}) {
    if (const char* value = std::getenv(name)) {
      environment[name] = value;
    }
  }
  job.environment = environment_of(step, std::move(environment));
  job.environment["MLPIPE_CHECKPOINT_DIR"] = checkpoints.string();
  if (step.resources.gpu) {
    job.environment["CUDA_VISIBLE_DEVICES"] = join(gpus, ",");
  }
}

// The same for a job in a container: it sees its folder, and in there, mounted, its inputs and checkpoints.
void prepare_container(const Plan& plan, const Step& step, const Store& store, const fs::path& directory,
                       const fs::path& checkpoints, const std::vector<std::string>& gpus,
                       const std::optional<ContainerHost>& host, Job& job) {
  if (!host) {
    throw Error("no container engine was looked for");
  }
  const Result& image = plan.find(step.image->step)->chosen.front();
  job.container = container_of(step, *host, image_of(image, store.blobs()).id, gpus, directory);
  const fs::path inside = folder_in_container;
  job.work_directory = inside / "work";
  std::vector<Mount>& mounts = job.container->run.mounts;
  for_each_input(plan, step, [&](const Output& output, const fs::path& path) {
    const fs::path place = directory / "work" / path;
    fs::create_directories(output.folder ? place : place.parent_path());
    if (!output.folder) {
      write_file_atomically(place, "", 0644, Durability::later);
    }
    mounts.push_back({store.blobs().path_of(output), (job.work_directory / path).string(), false});
  });
  mounts.push_back({checkpoints, (inside / "checkpoints").string(), true});
  for (const char* folder : {"checkpoints", "home", "tmp"}) {
    fs::create_directory(directory / folder);
  }
  job.environment =
      environment_of(step, {{"HOME", (inside / "home").string()}, {"TMPDIR", (inside / "tmp").string()}});
  job.environment["MLPIPE_CHECKPOINT_DIR"] = (inside / "checkpoints").string();
}

OrderedImage ordered(const PlannedStep& image, const Store& store) {
  const ImageResult made = image_of(image.chosen.front(), store.blobs());
  const bool in_registry = std::get<ImageAction>(image.step->action).image.in_registry;
  return {in_registry ? "" : made.id, made.name};
}

// The same for a Job in a cluster: what it reads is named, and brought there by whoever starts it.
void prepare_pod(const Plan& plan, const PlannedStep& planned, const Step& step, const Spec& spec,
                 const Store& store, const fs::path& directory, Job& job) {
  constexpr std::size_t digits_of_name = 20;
  PodOrder order;
  order.key = planned.action_key.hex();
  order.name = "mlpipe-" + order.key.substr(0, digits_of_name);
  order.number = store.results(planned.action_key).size();
  order.anew = planned.anew && planned.retries == 0;
  order.pipeline = spec.name;
  order.step = step.name;
  order.image = ordered(*plan.find(step.image->step), store);
  order.agent = ordered(*plan.find(image_step("agent")), store);
  for_each_input(plan, step, [&](const Output& output, const fs::path& path) {
    order.inputs.push_back({path.string(), store.blobs().path_of(output), output.folder});
  });
  order.outs = step.outs;
  order.cpu = step.resources.cpu;
  order.memory = step.resources.memory;
  order.gpu = step.resources.gpu.value_or(0);
  order.nodes = step.processes.nodes;
  if (!spec.cluster.secrets.empty()) {
    for (const SecretVariable& secret : step.secrets) {
      order.cluster_secrets[secret.variable] = secret.secret;
    }
  }
  order.place = step.place;
  write_pod_order(directory, order);
  const fs::path inside = folder_in_container;
  job.work_directory = inside / "work";
  job.environment =
      environment_of(step, {{"HOME", (inside / "home").string()}, {"TMPDIR", (inside / "tmp").string()}});
  job.environment["MLPIPE_CHECKPOINT_DIR"] = (inside / "checkpoints").string();
}

// As an image's PATH has them.
Programs programs_of_images() {
  Programs programs;
  programs.train = "mlpipe-train";
  return programs;
}

std::vector<std::string> arguments_of(const Step& step, const Snapshot& snapshot, const Programs& programs,
                                      const fs::path& work) {
  if (const auto* fetch = std::get_if<FetchAction>(&step.action)) {
    return {programs.fetch.string(), "--url",    fetch->url,       "--sha256",
            fetch->sha256,           "--output", step.outs.front()};
  }
  if (const auto* train = std::get_if<TrainAction>(&step.action)) {
    write_file_atomically(work / training_file, to_json_text(train->config), 0644, Durability::later);
    std::vector<std::string> arguments = {programs.train.string(),
                                          "--config",
                                          training_file,
                                          "--name",
                                          train->model_name,
                                          "--model",
                                          "model",
                                          "--report",
                                          "report"};
    if (train->config.find("threads") == nullptr) {
      arguments.insert(arguments.end(), {"--threads", std::to_string(threads_of(step, snapshot.tools))});
    }
    return arguments;
  }
  const auto& run = std::get<RunAction>(step.action);
  if (run.shell) {
    return {"/bin/sh", "-e", "-c", run.arguments.front()};
  }
  return run.arguments;
}

}  // namespace

std::string position_name(std::size_t index, std::size_t count) {
  return fmt::format("{:0{}}", index + 1, std::to_string(count).size());
}

PreparedJob job_of(const Store& store, const Digest& action_key) {
  return {store.job_directory(action_key), store.lock_path(action_key)};
}

PreparedJob prepare_job(const Spec& spec, const Plan& plan, const PlannedStep& planned,
                        const Snapshot& snapshot, const Programs& programs, const Store& store,
                        const std::vector<std::string>& gpus, const std::optional<ContainerHost>& host) {
  const Step& step = planned.as_it_runs();
  PreparedJob prepared = job_of(store, planned.action_key);
  remove_tree(prepared.directory);
  const fs::path work = prepared.directory / "work";
  const fs::path checkpoints = store.checkpoint_directory(planned.action_key);
  crash_point("make a job's folder");
  fs::create_directories(work);
  crash_point("fill a job's folder");
  bring_dependencies(spec, step, snapshot, store, work);
  bring_checkpoints(planned, checkpoints);
  Job job;
  switch (step.runs_on) {
    case RunsOn::local:
      prepare_here(plan, step, store, prepared.directory, checkpoints, gpus, job);
      break;
    case RunsOn::container:
      prepare_container(plan, step, store, prepared.directory, checkpoints, gpus, host, job);
      break;
    case RunsOn::kubernetes:
      prepare_pod(plan, planned, step, spec, store, prepared.directory, job);
      break;
  }
  for (const std::string& out : step.outs) {
    fs::create_directories((work / out).parent_path());
  }
  if (const auto* image = std::get_if<ImageAction>(&step.action)) {
    prepare_image(image->image, spec, snapshot, programs, store, work, job);
  } else {
    job.arguments =
        arguments_of(step, snapshot, step.runs_on == RunsOn::local ? programs : programs_of_images(), work);
  }
  for (const SecretVariable& secret : step.secrets) {
    job.secret_variables.push_back(secret.variable);
  }
  job.labels = {{"pipeline", spec.name}, {"step", step.name}};
  job.timeout = step.timeout;
  job.nodes = step.processes.nodes;
  job.processes = step.processes.of_each;
  // The index knows the key only once there is a result: until then gc learns here what the job was given.
  write_file_atomically(prepared.directory / "recipe", planned.action->text(), 0644, Durability::later);
  write_job(prepared.directory, job, Durability::later);
  return prepared;
}

}  // namespace mlpipe
