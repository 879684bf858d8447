#include "pipeline/exec/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "pipeline/base/text.hpp"
#include "pipeline/exec/tool_identity.hpp"
#include "pipeline/plan/derivation.hpp"
#include "pipeline/store/dependencies.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// "did you mean 'digits.csv'?", from the names that are in the folder.
std::string hint_for_missing(const fs::path& project, const std::string& path) {
  if (is_glob(path)) {
    return "the pattern matches nothing";
  }
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = (project / path).parent_path();
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (const auto near = closest_name(fs::path(path).filename().string(), names)) {
    return fmt::format("did you mean '{}'?", (fs::path(path).parent_path() / *near).string());
  }
  return fmt::format("paths are relative to {}", project.string());
}

void require_programs(const Spec& spec, const Tools& tools) {
  const bool trains = std::any_of(spec.steps.begin(), spec.steps.end(), [](const Step& step) {
    return std::holds_alternative<TrainAction>(step.action);
  });
  if (trains && tools.trainer.empty()) {
    throw Error("mlpipe-train is not installed beside mlpipe, and a step trains with it",
                "install all of mlpipe's programs into one folder");
  }
}

void find_tools_of_steps(const Spec& spec, FileHashes& hashes, Snapshot& snapshot, Diagnostics& diagnostics) {
  const Environment own = own_environment();
  for (const Step& step : spec.steps) {
    for (const Tool& tool : step.tools) {
      const std::string key = name_of_tool(step, tool);
      if (snapshot.programs.contains(key)) {
        continue;
      }
      Environment environment = own;
      if (const auto path = step.environment.find("PATH"); path != step.environment.end()) {
        environment["PATH"] = path->second;
      }
      if (auto identity = identity_of_tool(tool.name, environment, hashes)) {
        snapshot.programs.emplace(key, std::move(*identity));
      } else {
        diagnostics.add(tool.mark, fmt::format("{}: not found in PATH", printable(tool.name)),
                        "install it, or add its folder to PATH");
      }
    }
  }
}

}  // namespace

Snapshot take_snapshot(const Spec& spec, const Programs& programs, FileHashes& hashes,
                       const ResultSource& results) {
  Snapshot snapshot;
  snapshot.results = &results;
  snapshot.tools = find_tools(programs, hashes);
  require_programs(spec, snapshot.tools);
  Diagnostics diagnostics(*spec.document);
  for (const Step& step : spec.steps) {
    for (const Dependency& dependency : step.deps) {
      if (snapshot.dependencies.contains(dependency.path)) {
        continue;
      }
      DependencyFiles files = find_dependency(spec.project, dependency.path, hashes);
      std::error_code error;
      if (files.empty() && !fs::is_directory(spec.project / dependency.path, error)) {
        diagnostics.add(dependency.mark, fmt::format("{}: there is no such file", dependency.path),
                        hint_for_missing(spec.project, dependency.path));
      }
      snapshot.dependencies.emplace(dependency.path, std::move(files));
    }
  }
  find_tools_of_steps(spec, hashes, snapshot, diagnostics);
  diagnostics.throw_if_any();
  return snapshot;
}

}  // namespace mlpipe
