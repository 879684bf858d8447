#include "pipeline/exec/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "pipeline/base/text.hpp"
#include "pipeline/exec/image_files.hpp"
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
    return std::holds_alternative<TrainAction>(step.action) && step.runs_on == RunsOn::local;
  });
  if (trains && tools.trainer.empty()) {
    throw Error("mlpipe-train is not installed beside mlpipe, and a step trains with it",
                "install all of mlpipe's programs into one folder");
  }
}

void find_tools_of_steps(const Spec& spec, FileHashes& hashes, Snapshot& snapshot, Diagnostics& diagnostics) {
  for (const Step& step : spec.steps) {
    if (step.runs_on != RunsOn::local) {
      continue;  // its image has them
    }
    for (const Tool& tool : step.tools) {
      const ToolPlace place = place_of(step, tool);
      if (snapshot.programs.contains(place)) {
        continue;
      }
      if (auto identity = identity_of_tool(place, hashes)) {
        snapshot.programs.emplace(place, std::move(*identity));
      } else {
        diagnostics.add(tool.mark, fmt::format("{}: not found in PATH", printable(tool.name)),
                        "install it, or add its folder to PATH");
      }
    }
  }
}

}  // namespace

void hash_dependencies(const fs::path& project, FileHashes& hashes,
                       std::map<std::string, DependencyFiles>& dependencies) {
  std::vector<fs::path> paths;
  for (const auto& [text, files] : dependencies) {
    for (const DependencyFile& file : files) {
      paths.push_back(project / file.path);
    }
  }
  const std::vector<Digest> digests = hashes.digests(paths);
  auto digest = digests.begin();
  for (auto& [text, files] : dependencies) {
    for (DependencyFile& file : files) {
      file.digest = *digest++;
    }
  }
}

Snapshot take_snapshot(const Spec& spec, const Programs& programs, FileHashes& hashes,
                       const ResultSource& results, WatchedDependencies* watched,
                       std::vector<Watched>* watched_images) {
  Snapshot snapshot;
  snapshot.results = &results;
  snapshot.tools = find_tools(programs, hashes);
  require_programs(spec, snapshot.tools);
  Diagnostics diagnostics(*spec.document);
  for (const Step& step : spec.steps) {
    for (const Dependency& dependency : step.deps) {
      const auto [entry, is_new] = snapshot.dependencies.try_emplace(dependency.path);
      if (!is_new) {
        continue;
      }
      FoundDependency found = find_dependency(spec.project, dependency.path);
      std::error_code error;
      if (found.files.empty() && !fs::is_directory(spec.project / dependency.path, error)) {
        diagnostics.add(dependency.mark, fmt::format("{}: there is no such file", dependency.path),
                        hint_for_missing(spec.project, dependency.path));
      }
      entry->second = std::move(found.files);
      if (watched != nullptr) {
        watched->emplace(dependency.path, std::move(found.watched));
      }
    }
  }
  find_tools_of_steps(spec, hashes, snapshot, diagnostics);
  look_at_images(spec, hashes, snapshot, watched_images, diagnostics);
  diagnostics.throw_if_any();
  hash_dependencies(spec.project, hashes, snapshot.dependencies);
  return snapshot;
}

}  // namespace mlpipe
