#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/store/history.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// A job that runs now, and the step that it is.
struct RunningJob {
  std::string step;
  fs::path directory;
};

// The pipeline that the command is about; nothing when no file says: then it is about the whole store.
std::optional<std::string> pipeline_name(const Invocation& invocation) {
  std::error_code error;
  const fs::path file = pipeline_file(invocation);
  if (invocation.has("--store") || !fs::is_regular_file(file, error)) {
    return std::nullopt;
  }
  const YamlDocument document = read_yaml_file(file);
  const YamlNode* name = document.root.find("name");
  return name != nullptr && name->is_scalar() ? std::optional(name->scalar) : std::nullopt;
}

// The steps that the job runs for: the one that it was started for, and others that compute the same.
std::set<std::string> steps_of(const History& history, const Digest& key, const fs::path& directory,
                               const std::optional<std::string>& pipeline) {
  std::set<std::string> steps;
  const auto add = [&](const std::string& of_pipeline, const std::string& step) {
    if (!step.empty() && (!pipeline || of_pipeline == *pipeline)) {
      steps.insert(step);
    }
  };
  for (const History::Use& use : history.uses(key)) {
    add(use.pipeline, use.step);
  }
  try {
    std::map<std::string, std::string> labels = read_job(directory).labels;
    add(labels["pipeline"], labels["step"]);
  } catch (const Error&) {  // it is just being laid out, or has just been removed
  }
  return steps;
}

std::vector<RunningJob> running_jobs(const Store& store, const std::optional<std::string>& pipeline) {
  const History history(store);
  std::vector<RunningJob> found;
  std::error_code error;
  for (fs::directory_iterator entry(store.directory() / "jobs", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!Digest::is_hex(name) || !FileLock::is_held(store.lock_path(Digest::from_hex(name)))) {
      continue;
    }
    for (const std::string& step : steps_of(history, Digest::from_hex(name), entry->path(), pipeline)) {
      found.push_back({step, entry->path()});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const RunningJob& a, const RunningJob& b) { return a.step < b.step; });
  return found;
}

// "train" is every combination of a step with a matrix, "train[lr=0.1]" one of them.
bool is_called(const std::string& step, const std::string& name) {
  return step == name || step.starts_with(name + "[");
}

}  // namespace

int cancel_command(const Invocation& invocation) {
  const Store store = find_store(invocation);
  std::vector<RunningJob> jobs = running_jobs(store, pipeline_name(invocation));
  if (const auto step = invocation.value("STEP")) {
    std::vector<std::string> running;
    for (const RunningJob& job : jobs) {
      running.push_back(job.step);
    }
    std::erase_if(jobs, [&](const RunningJob& job) { return !is_called(job.step, *step); });
    if (jobs.empty()) {
      throw UsageError(fmt::format("no job of a step '{}' runs", printable(*step)),
                       running.empty() ? "nothing runs now" : "what runs: " + join(running, ", "));
    }
  }
  Json list = Json::array();
  for (const RunningJob& job : jobs) {
    const bool asked = cancel_job(job.directory);
    list.push_back({{"step", job.step}, {"asked", asked}});
    if (!invocation.json()) {
      fmt::print(stderr, "{} {}\n", job.step, asked ? "is asked to end" : "has just ended");
    }
  }
  if (invocation.json()) {
    fmt::print("{}\n", list.dump(2));
  } else if (jobs.empty()) {
    fmt::print(stderr, "nothing runs now\n");
  }
  return 0;
}

}  // namespace mlpipe
