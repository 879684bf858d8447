#include "pipeline/exec/requirements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "pipeline/base/file.hpp"
#include "pipeline/base/quantity.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/kubectl.hpp"

namespace mlpipe {
namespace {

struct Fault {
  Mark mark;
  std::string message;
  std::string hint;
};

void check_resources(const Resources& wanted, const Capacity& machine, std::vector<Fault>& faults) {
  const std::string hint = "the step could never start";
  if (wanted.cpu > machine.cpu) {
    faults.push_back({wanted.cpu_mark,
                      fmt::format("cpu: {} wanted, this machine has {}", format_cores(wanted.cpu),
                                  format_cores(machine.cpu)),
                      hint});
  }
  if (wanted.memory > machine.memory) {
    faults.push_back({wanted.memory_mark,
                      fmt::format("memory: {} wanted, this machine has {}", format_bytes(wanted.memory),
                                  format_bytes(machine.memory)),
                      hint});
  }
  if (static_cast<std::size_t>(wanted.gpu.value_or(0)) > machine.gpus.size()) {
    faults.push_back({wanted.gpu_mark,
                      fmt::format("gpu: {} wanted, this machine has {}", *wanted.gpu, machine.gpus.size()),
                      hint});
  }
}

bool may_run(const PlannedStep& planned) {
  return planned.state == PlannedStep::State::run || planned.state == PlannedStep::State::undecided;
}

void throw_if_any(std::vector<Fault> faults, const Spec& spec, const std::string& shown_file) {
  if (faults.empty()) {
    return;
  }
  const std::string text = read_file(spec.file);  // a spec that was not read just now holds none of it
  Diagnostics diagnostics(shown_file, text);
  for (Fault& fault : faults) {
    diagnostics.add(fault.mark, std::move(fault.message), std::move(fault.hint));
  }
  diagnostics.throw_if_any();
}

}  // namespace

std::optional<ContainerHost> require_container_host(const Spec& spec, const Plan& plan,
                                                    const Environment& environment,
                                                    const std::string& shown_file) {
  std::optional<ContainerHost> host;
  std::vector<Fault> faults;
  for (const PlannedStep& planned : plan.steps()) {
    if (!may_run(planned) || planned.step->runs_on != RunsOn::container) {
      continue;
    }
    if (!host) {
      host = ContainerHost::find(environment);
    }
    const Resources& wanted = planned.step->resources;
    if (wanted.gpu.value_or(0) > 0 && !host->has_gpus) {
      faults.push_back(
          {wanted.gpu_mark,
           fmt::format("gpu: {} wanted, and {} has no GPUs for containers", *wanted.gpu, host->engine.name()),
           host->engine.kind() == EngineKind::docker
               ? "install the NVIDIA Container Toolkit, then `nvidia-ctk runtime configure "
                 "--runtime=docker` and restart the engine"
               : "install the NVIDIA Container Toolkit, then `nvidia-ctk cdi generate "
                 "--output=/etc/cdi/nvidia.yaml`"});
    }
  }
  throw_if_any(std::move(faults), spec, shown_file);
  return host;
}

std::string cluster_registry(const Spec& spec) {
  constexpr std::string_view scheme = "oci://";
  if (!spec.cluster.registry.empty()) {
    return spec.cluster.registry;
  }
  return spec.remote && spec.remote->url.starts_with(scheme) ? spec.remote->url.substr(scheme.size()) : "";
}

void require_cluster(const Spec& spec, const Plan& plan, const Environment& environment,
                     const std::string& shown_file) {
  const auto is_in_cluster = [](const PlannedStep& planned) {
    return may_run(planned) && planned.step->runs_on == RunsOn::kubernetes;
  };
  const auto first = std::find_if(plan.steps().begin(), plan.steps().end(), is_in_cluster);
  const bool deploys_there = spec.deploy && spec.deploy->target == "kubernetes" && plan.anything_to_run();
  if (first == plan.steps().end() && !deploys_there) {
    return;
  }
  if (first != plan.steps().end() && cluster_registry(spec).empty()) {
    throw_if_any(
        {{first->step->mark,
          fmt::format("'{}' runs on Kubernetes, and no registry is named that its images come from",
                      first->step->name),
          "add `kubernetes: { registry: HOST/REPOSITORY }`; with `remote: oci://…` that one is taken"}},
        spec, shown_file);
  }
  Kubectl::find(spec.cluster.context, environment).require_answer();
}

Secrets require_what_runs(const Spec& spec, const Plan& plan, const Capacity& machine,
                          const Environment& environment, const std::string& shown_file) {
  Secrets secrets;
  std::vector<Fault> faults;
  for (const PlannedStep& planned : plan.steps()) {
    if (!may_run(planned)) {
      continue;
    }
    const bool in_cluster = planned.step->runs_on == RunsOn::kubernetes;
    if (!in_cluster) {
      check_resources(planned.step->resources, machine, faults);
    }
    for (const SecretVariable& wanted : planned.step->secrets) {
      if (secrets.knows(wanted.secret) || (in_cluster && !spec.cluster.secrets.empty())) {
        continue;
      }
      if (auto value = find_secret(wanted.secret, environment)) {
        secrets.add(wanted.secret, std::move(*value));
      } else {
        faults.push_back({wanted.mark, fmt::format("the secret '{}' is not there", wanted.secret),
                          fmt::format("set MLPIPE_SECRET_{0}, or write the file {0} into the folder "
                                      "MLPIPE_SECRETS_DIR",
                                      wanted.secret)});
      }
    }
  }
  throw_if_any(std::move(faults), spec, shown_file);
  return secrets;
}

}  // namespace mlpipe
