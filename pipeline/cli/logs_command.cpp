#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/find_run.hpp"
#include "pipeline/cli/find_store.hpp"
#include "pipeline/deploy/container_target.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/deploy/kubernetes_target.hpp"
#include "pipeline/deploy/local_target.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto poll_interval = 50ms;

// Copies the file to standard output; with `follow`, goes on until nobody holds the lock any more. The
// descriptor stays good when the finished log moves into the store.
void show_file(const fs::path& path, const fs::path& lock, bool follow) {
  const FileDescriptor file = open_file(path, O_RDONLY);
  std::array<char, 1U << 16U> buffer{};
  while (true) {
    const bool writer_is_there = follow && FileLock::is_held(lock);
    ssize_t count = 0;
    while ((count = ::read(file.get(), buffer.data(), buffer.size())) > 0) {
      write_all(STDOUT_FILENO, printable({buffer.data(), static_cast<std::size_t>(count)}),
                "standard output");
    }
    if (!writer_is_there) {
      return;
    }
    std::this_thread::sleep_for(poll_interval);
  }
}

void show(const Invocation& invocation, const fs::path& path, const fs::path& lock, const std::string& what) {
  if (invocation.json()) {
    fmt::print("{}\n",
               nlohmann::ordered_json{{"of", what}, {"path", path.string()}, {"text", read_file(path)}}.dump(
                   2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  show_file(path, lock, invocation.has("--follow"));
}

// What the engine keeps of each container.
void show_containers(const Invocation& invocation, const Store& store, const std::string& alias) {
  constexpr std::size_t lines_of_each = 200;
  if (invocation.has("--follow")) {
    throw UsageError(
        fmt::format("the log of {} is in several containers, and cannot be followed here", alias),
        "`mlpipe status` names them; `docker logs --follow NAME`");
  }
  const std::string text =
      ContainerTarget::existing(store.deployment_directory(alias), Programs::beside_this_one())
          ->log(lines_of_each);
  if (invocation.json()) {
    fmt::print("{}\n", nlohmann::ordered_json{{"of", alias}, {"text", text}}.dump(
                           2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", text);
  }
}

// What the cluster keeps of each pod.
void show_pods(const Invocation& invocation, const Store& store, const std::string& alias) {
  constexpr std::size_t lines_of_each = 200;
  const auto target =
      KubernetesTarget::existing(store.deployment_directory(alias), Programs::beside_this_one());
  if (invocation.has("--follow")) {
    Process::start(target->log_follower()).wait();
    return;
  }
  const std::string text = target->log(lines_of_each);
  if (invocation.json()) {
    fmt::print("{}\n", nlohmann::ordered_json{{"of", alias}, {"text", text}}.dump(
                           2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", text);
  }
}

// What the step yielded in the run, or what stood for it there.
Result result_in_run(const History& history, const std::string& run_name, const std::string& name) {
  const RunRecord run = find_run(history, run_name);
  std::vector<std::string> known;
  for (const RunStepRecord& step : history.steps(run.number)) {
    known.push_back(step.step);
    if (step.step != name) {
      continue;
    }
    const std::int64_t row = step.ran != 0 ? step.ran : step.chosen.empty() ? 0 : step.chosen.back();
    if (row == 0) {
      throw UsageError(fmt::format("{} did not run in run {}: it was {}", name, run.number, step.outcome));
    }
    if (auto result = history.result(row)) {
      return std::move(*result);
    }
    throw Error(
        fmt::format("the result of {} in run {} was collected, and its log with it", name, run.number));
  }
  throw UsageError(fmt::format("run {} had no step '{}'", run.number, printable(name)),
                   suggest_name(name, known));
}

}  // namespace

int logs_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const std::string name = *invocation.value("STEP");
  if (const auto run = invocation.value("--run")) {
    const Result result = result_in_run(History(store), *run, name);
    show(invocation, store.blobs().path_of_blob(result.log), store.lock_path(result.action_key), name);
    return 0;
  }
  if (const auto action_key = store.last_action_key(name)) {
    const fs::path running = store.job_directory(*action_key) / "log";
    std::error_code error;
    if (fs::exists(running, error)) {
      show(invocation, running, store.lock_path(*action_key), name);
      return 0;
    }
    if (const auto result = store.last_result(*action_key)) {
      show(invocation, store.blobs().path_of_blob(result->log), store.lock_path(*action_key), name);
      return 0;
    }
  }
  const auto record = find_deployment(store, name);
  if (record && record->target == "container" && record->phase != "stopped") {
    show_containers(invocation, store, name);
    return 0;
  }
  if (record && record->target == "kubernetes" && record->phase != "stopped") {
    show_pods(invocation, store, name);
    return 0;
  }
  const LocalTarget target =
      LocalTarget::existing(store.deployment_directory(name), Programs::beside_this_one().agent);
  if (record && fs::exists(target.log_file())) {
    show(invocation, target.log_file(), store.deployment_directory(name).string() + ".lock", name);
    return 0;
  }
  std::vector<std::string> known = store.step_names();
  for (const DeploymentRecord& other : deployments(store)) {
    known.push_back(other.alias);
  }
  throw UsageError(
      fmt::format("there is no log of '{}': no such step or deployment has run", printable(name)),
      suggest_name(name, known));
}

}  // namespace mlpipe
