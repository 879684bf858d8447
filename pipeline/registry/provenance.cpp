#include "pipeline/registry/provenance.hpp"

#include <nlohmann/json.hpp>

#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

std::string git(const Spec& spec, std::vector<std::string> arguments) {
  Command command;
  command.arguments = {"git", "-C", spec.project.string()};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  const Captured captured = run_and_capture(std::move(command));
  return captured.ending.succeeded() ? std::string(trim(captured.output)) : "";
}

// Empty where there is no git, or no checkout.
std::string revision_of(const Spec& spec) {
  try {
    const std::string revision = git(spec, {"rev-parse", "HEAD"});
    if (revision.empty()) {
      return "";
    }
    const bool changed = !git(spec, {"status", "--porcelain", "--untracked-files=no", "--", "."}).empty();
    return changed ? revision + " with local changes" : revision;
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

std::string provenance_of(const Spec& spec, const Plan& plan, const std::optional<Outline>& outline) {
  Json steps = Json::object();
  for_each_step(plan, outline, [&](const std::string& name, const PlannedStep& planned) {
    steps[name] = {{"derivation", planned.derivation.hex()},
                   {"action_key", planned.action_key.hex()},
                   {"result", planned.result ? planned.result->id : 0}};
  });
  Json provenance{{"pipeline", spec.name}, {"params", spec.params}, {"steps", std::move(steps)}};
  if (const std::string revision = revision_of(spec); !revision.empty()) {
    provenance["git"] = revision;
  }
  return provenance.dump();
}

}  // namespace mlpipe
