#include "pipeline/registry/provenance.hpp"

#include <nlohmann/json.hpp>

#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

std::string git(const std::filesystem::path& project, std::vector<std::string> arguments) {
  Command command;
  command.arguments = {"git", "-C", project.string()};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  const Captured captured = run_and_capture(std::move(command));
  return captured.ending.succeeded() ? std::string(trim(captured.output)) : "";
}

}  // namespace

std::string git_revision(const std::filesystem::path& project) {
  try {
    const std::string revision = git(project, {"rev-parse", "HEAD"});
    if (revision.empty()) {
      return "";
    }
    const bool changed = !git(project, {"status", "--porcelain", "--untracked-files=no", "--", "."}).empty();
    return changed ? revision + " with local changes" : revision;
  } catch (const Error&) {
    return "";
  }
}

std::string provenance_of(const Spec& spec, const Plan& plan, const std::optional<Outline>& outline,
                          const std::string& git) {
  Json steps = Json::object();
  for_each_step(plan, outline, [&](const std::string& name, const PlannedStep& planned) {
    Json results = Json::array();
    for (const Result& result : planned.chosen) {
      results.push_back(result_id(result).hex());
    }
    steps[name] = {{"derivation", planned.derivation.hex()},
                   {"action_key", planned.action_key.hex()},
                   {"results", std::move(results)}};
  });
  Json provenance{{"pipeline", spec.name}, {"params", spec.params}, {"steps", std::move(steps)}};
  if (!git.empty()) {
    provenance["git"] = git;
  }
  return provenance.dump();
}

}  // namespace mlpipe
