#include "pipeline/exec/collect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/exec/secrets.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::uint64_t largest_metrics_file = std::uint64_t{16} << 20U;

void add_metrics(const Json& json, const std::string& prefix, std::map<std::string, double>& metrics) {
  for (const auto& [name, value] : json.items()) {
    const std::string path = prefix.empty() ? name : fmt::format("{}.{}", prefix, name);
    if (value.is_number() && std::isfinite(value.get<double>())) {
      metrics[path] = value.get<double>();
    } else if (value.is_object()) {
      add_metrics(value, path, metrics);
    }
  }
}

void read_metrics(const Step& step, const fs::path& work, Result& result) {
  for (const std::string& name : step.metrics) {
    if (!fs::is_regular_file(work / name)) {
      result.failure = fmt::format("it promised the metrics {} and did not write them", name);
      return;
    }
    const Json json = Json::parse(read_file(work / name, largest_metrics_file), nullptr, false);
    if (!json.is_object()) {
      result.failure = fmt::format("the metrics {} are not a JSON object of numbers", name);
      return;
    }
    add_metrics(json, "", result.metrics);
  }
}

// A folder of the job that is a link could lead a promised output out of the work directory.
bool stays_inside(const fs::path& work, const fs::path& path) {
  if (path.parent_path() == work) {
    return true;
  }
  const fs::path parent = fs::weakly_canonical(path.parent_path());
  const fs::path root = fs::canonical(work);
  return std::mismatch(root.begin(), root.end(), parent.begin(), parent.end()).first == root.end();
}

void take_outputs(const Step& step, const fs::path& work, const Store& store, Result& result) {
  std::vector<std::string> missing;
  for (const std::string& out : step.outs) {
    if (!fs::exists(fs::symlink_status(work / out))) {
      missing.push_back(out);
    }
  }
  if (!missing.empty()) {
    result.failure = fmt::format("it promised the output {} and did not write it", join(missing, ", "));
    return;
  }
  for (const std::string& out : step.outs) {
    if (!stays_inside(work, work / out)) {
      result.failure = fmt::format("the output {} lies outside the work directory", out);
      return;
    }
    result.outputs.push_back(store.blobs().take(out, work / out));
  }
}

// A file that the log's end complains about, that the project has and the step did not declare.
std::string undeclared_file(const Step& step, const Spec& spec, const std::string& log) {
  const bool complains =
      log.find("o such file") != std::string::npos || log.find("not found") != std::string::npos ||
      log.find("annot open") != std::string::npos || log.find("an't open") != std::string::npos;
  if (!complains) {
    return "";
  }
  std::string word;
  for (const char c : log + " ") {
    const bool part =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '/';
    if (part) {
      word += c;
      continue;
    }
    while (!word.empty() && (word.back() == '.' || word.back() == '/')) {
      word.pop_back();
    }
    std::error_code error;
    const bool declared = std::any_of(step.deps.begin(), step.deps.end(), [&](const Dependency& dependency) {
      return word == dependency.path || word.starts_with(dependency.path + "/");
    });
    if (is_inside_path(word) && !declared && fs::is_regular_file(spec.project / word, error)) {
      return word;
    }
    word.clear();
  }
  return "";
}

FailureKind kind_of(const Ending& ending) {
  // A shell says by 128 and the signal's number that what it ran was killed.
  constexpr int shell_killed = 128 + 9;
  constexpr int shell_terminated = 128 + 15;
  if (ending.cancelled) {
    return FailureKind::cancelled;
  }
  if (ending.timed_out) {
    return FailureKind::timed_out;
  }
  const bool killed = ending.signal != 0 || ending.out_of_memory || ending.exit_code == shell_killed ||
                      ending.exit_code == shell_terminated;
  return killed ? FailureKind::killed : FailureKind::failed;
}

}  // namespace

Result collect_result(const Step& step, const Digest& action_key, const PreparedJob& job,
                      const Ending& ending, const Spec& spec, const Store& store) {
  Result result;
  result.action_key = action_key;
  result.started = ending.started;
  result.finished = ending.finished;
  result.failure_kind = kind_of(ending);
  const fs::path log = job.directory / "log";
  if (fs::is_regular_file(log)) {
    mask_file(log, job.secrets);
  }
  if (!ending.succeeded()) {
    result.failure = describe(ending);
    constexpr std::size_t lines_looked_at = 50;
    const std::string end_of_log = last_lines(read_file_if_exists(log).value_or(""), lines_looked_at);
    if (const std::string file = undeclared_file(step, spec, end_of_log); !file.empty()) {
      result.failure += fmt::format("; {} is in the project but not among the step's `deps`", file);
    }
  } else {
    try {
      read_metrics(step, job.directory / "work", result);
      if (result.failure.empty()) {
        take_outputs(step, job.directory / "work", store, result);
      }
    } catch (const std::exception& error) {
      result.failure = error.what();
    }
  }
  result.succeeded = result.failure.empty();
  if (!result.succeeded) {
    result.outputs.clear();
  }
  result.log = fs::is_regular_file(log) ? store.blobs().take("log", log).digest : store.blobs().add("");
  return result;
}

bool is_recorded(const std::vector<Result>& results, const Ending& ending) {
  return std::any_of(results.begin(), results.end(), [&](const Result& result) {
    return to_milliseconds(result.started) == to_milliseconds(ending.started) &&
           to_milliseconds(result.finished) == to_milliseconds(ending.finished);
  });
}

}  // namespace mlpipe
