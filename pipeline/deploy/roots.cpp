#include "pipeline/deploy/roots.hpp"

#include <fmt/format.h>

#include <set>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/registry/registry.hpp"
#include "pipeline/store/history.hpp"
#include "pipeline/store/pins.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

void add_aliases(const Store& store, std::vector<Root>& roots) {
  const Registry registry(store);
  for (const std::string& model : registry.models()) {
    for (const auto& [alias, version] : registry.aliases(model)) {
      std::set<int> versions = {version};
      if (const auto before = registry.release_before(model, alias)) {
        versions.insert(before->version);
      }
      if (const auto events = registry.history(model, alias); events.size() > 1) {
        versions.insert(events[events.size() - 2].version);
      }
      for (const int kept : versions) {
        if (const auto release = registry.find(model, kept)) {
          const std::string name = kept == version
                                       ? fmt::format("{}@{}", model, alias)
                                       : fmt::format("{} before {}@{}", release->label(), model, alias);
          roots.push_back({Root::Kind::alias, name, {}, {release->artifact}, {}});
        }
      }
    }
  }
}

void add_deployments(const Store& store, std::vector<Root>& roots) {
  const Registry registry(store);
  for (const DeploymentRecord& record : deployments(store)) {
    const auto release = registry.find(record.model, record.version);
    if (release && record.phase != "stopped") {
      roots.push_back({Root::Kind::deployment, record.alias, {}, {release->artifact}, {}});
    }
  }
}

void add_pins(const Store& store, std::vector<Root>& roots) {
  const Registry registry(store);
  const std::vector<Result> results = store.all_results();
  for (const Pin& pin : pins(store)) {
    Root root{Root::Kind::pin, pin.why.empty() ? pin.name : pin.why, {}, {}, {}};
    if (pin.kind == Pin::Kind::bytes) {
      root.outputs.push_back(pinned_bytes(store, pin));
    } else if (pin.kind == Pin::Kind::release) {
      const Release release = registry.resolve_reference(pin.name);
      root.outputs.push_back(release.artifact);
    } else {
      for (const Result& result : results_with_id(results, pin.name)) {
        root.results.push_back(result.id);
      }
    }
    roots.push_back(std::move(root));
  }
}

// What lies at such a path; nothing when that is no place of the store's bytes.
std::optional<Output> output_at(const Store& store, const fs::path& path) {
  const std::string name = path.filename().string();
  if (!Digest::is_hex(name)) {
    return std::nullopt;
  }
  for (const bool folder : {true, false}) {
    const Output output{name, folder, Digest::from_hex(name), 0};
    if (path == store.blobs().path_of(output)) {
      return output;
    }
  }
  return std::nullopt;
}

// A job in a container has them mounted.
std::vector<fs::path> mounted_in(const fs::path& job) {
  std::vector<fs::path> sources;
  try {
    if (const Job read = read_job(job); read.container) {
      for (const Mount& mount : read.container->run.mounts) {
        sources.push_back(mount.source);
      }
    }
  } catch (const Error&) {  // damaged, or not written yet: it has not begun
  }
  return sources;
}

// A job that was given links into the store reads those bytes, whatever the index knows of it by now.
std::vector<Output> linked_inputs(const Store& store, const fs::path& job) {
  std::vector<Output> inputs;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(job / "work" / "inputs", error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->is_symlink()) {
      continue;
    }
    if (auto input = output_at(store, fs::read_symlink(entry->path()))) {
      inputs.push_back(*std::move(input));
    }
  }
  for (const fs::path& source : mounted_in(job)) {
    if (auto input = output_at(store, source)) {
      inputs.push_back(*std::move(input));
    }
  }
  return inputs;
}

// What the job does, as it stands in its folder; nothing when that is damaged or of an older mlpipe.
std::vector<Recipe> recipe_in(const fs::path& job) {
  try {
    const auto text = read_file_if_exists(job / "recipe");
    return text ? std::vector<Recipe>{Recipe::parse(*text)} : std::vector<Recipe>{};
  } catch (const Error&) {
    return {};
  }
}

bool waits_to_be_collected(const fs::path& job) {
  try {
    const auto ending = read_ending(job);
    return ending && ending->succeeded();
  } catch (const Error&) {  // damaged: nobody will collect it
    return false;
  }
}

void add_jobs(const Store& store, std::vector<Root>& roots) {
  std::error_code error;
  for (fs::directory_iterator job(store.directory() / "jobs", error), end; !error && job != end;
       job.increment(error)) {
    const std::string name = job->path().filename().string();
    if (!Digest::is_hex(name)) {
      continue;
    }
    const Digest key = Digest::from_hex(name);
    if (FileLock::is_held(store.lock_path(key)) || waits_to_be_collected(job->path())) {
      roots.push_back({Root::Kind::job,
                       key.short_hex(),
                       {},
                       linked_inputs(store, job->path()),
                       {key},
                       recipe_in(job->path())});
    }
  }
}

void add_runs_of(const Store& store, const std::string& pipeline, std::size_t runs,
                 std::vector<Root>& roots) {
  Statement last =
      store.database().prepare("SELECT id, started FROM runs WHERE pipeline = ? ORDER BY id DESC LIMIT ?");
  last.bind(pipeline).bind(static_cast<std::int64_t>(runs));
  std::size_t found = 0;
  std::int64_t since = 0;
  std::set<Digest> keys;
  const History history(store);
  while (last.step()) {
    ++found;
    since = last.integer(1);
    Root root{Root::Kind::run, fmt::format("run {}", last.integer(0)), {}, {}, {}};
    for (const RunStepRecord& step : history.steps(last.integer(0))) {
      root.results.insert(root.results.end(), step.chosen.begin(), step.chosen.end());
      if (step.ran != 0) {
        root.results.push_back(step.ran);
      }
      if (step.ran != 0 || !step.chosen.empty()) {
        keys.insert(step.action_key);
      }
    }
    roots.push_back(std::move(root));
  }
  Root stood{Root::Kind::run, fmt::format("the last runs of {}", pipeline), {}, {}, {}};
  Statement realizations =
      store.database().prepare("SELECT DISTINCT action_key FROM realizations WHERE pipeline = ? AND at >= ?");
  realizations.bind(pipeline).bind(found < runs ? 0 : since);
  while (realizations.step()) {
    const Digest key = realizations.digest(0);
    const std::vector<Result> results = keys.contains(key) ? std::vector<Result>{} : store.results(key);
    for (auto result = results.rbegin(); result != results.rend(); ++result) {
      if (result->succeeded) {
        stood.results.push_back(result->id);
        break;
      }
    }
  }
  roots.push_back(std::move(stood));
}

}  // namespace

std::vector<Root> find_roots(const Store& store, std::size_t runs) {
  std::vector<Root> roots;
  add_aliases(store, roots);
  add_deployments(store, roots);
  add_pins(store, roots);
  add_jobs(store, roots);
  if (runs > 0) {
    Statement pipelines =
        store.database().prepare("SELECT pipeline FROM runs UNION SELECT pipeline FROM realizations");
    while (pipelines.step()) {
      add_runs_of(store, pipelines.text(0), runs, roots);
    }
  }
  return roots;
}

}  // namespace mlpipe
