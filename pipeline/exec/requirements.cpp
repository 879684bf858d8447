#include "pipeline/exec/requirements.hpp"

#include <fmt/format.h>

#include "pipeline/base/text.hpp"
#include "pipeline/spec/quantity.hpp"

namespace mlpipe {
namespace {

void check_resources(const Resources& wanted, const Capacity& machine, Diagnostics& diagnostics) {
  const std::string hint = "the step could never start";
  if (wanted.cpu > machine.cpu) {
    diagnostics.add(wanted.cpu_mark,
                    fmt::format("cpu: {} wanted, this machine has {}", format_cores(wanted.cpu),
                                format_cores(machine.cpu)),
                    hint);
  }
  if (wanted.memory > machine.memory) {
    diagnostics.add(wanted.memory_mark,
                    fmt::format("memory: {} wanted, this machine has {}", format_bytes(wanted.memory),
                                format_bytes(machine.memory)),
                    hint);
  }
  if (static_cast<std::size_t>(wanted.gpu.value_or(0)) > machine.gpus.size()) {
    diagnostics.add(wanted.gpu_mark,
                    fmt::format("gpu: {} wanted, this machine has {}", *wanted.gpu, machine.gpus.size()),
                    hint);
  }
}

}  // namespace

Secrets require_what_runs(const Spec& spec, const Plan& plan, const Capacity& machine,
                          const Environment& environment) {
  Secrets secrets;
  Diagnostics diagnostics(*spec.document);
  for (const PlannedStep& planned : plan.steps()) {
    if (planned.state != PlannedStep::State::run && planned.state != PlannedStep::State::undecided) {
      continue;
    }
    check_resources(planned.step->resources, machine, diagnostics);
    for (const SecretVariable& wanted : planned.step->secrets) {
      if (secrets.knows(wanted.secret)) {
        continue;
      }
      if (auto value = find_secret(wanted.secret, environment)) {
        secrets.add(wanted.secret, std::move(*value));
      } else {
        diagnostics.add(wanted.mark, fmt::format("the secret '{}' is not there", wanted.secret),
                        fmt::format("set MLPIPE_SECRET_{0}, or write the file {0} into the folder "
                                    "MLPIPE_SECRETS_DIR",
                                    wanted.secret));
      }
    }
  }
  diagnostics.throw_if_any();
  return secrets;
}

}  // namespace mlpipe
