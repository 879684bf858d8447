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
#include "pipeline/cli/find_store.hpp"
#include "pipeline/deploy/deployments.hpp"
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

}  // namespace

int logs_command(const Invocation& invocation) {
  const Store store = find_store_to_read(invocation);
  const std::string name = *invocation.value("STEP");
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
  const LocalTarget target =
      LocalTarget::existing(store.deployment_directory(name), Programs::beside_this_one().agent);
  if (find_deployment(store, name) && fs::exists(target.log_file())) {
    show(invocation, target.log_file(), store.deployment_directory(name).string() + ".lock", name);
    return 0;
  }
  std::vector<std::string> known = store.step_names();
  for (const DeploymentRecord& record : deployments(store)) {
    known.push_back(record.alias);
  }
  throw UsageError(
      fmt::format("there is no log of '{}': no such step or deployment has run", printable(name)),
      suggest_name(name, known));
}

}  // namespace mlpipe
