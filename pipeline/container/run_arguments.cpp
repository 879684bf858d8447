#include "pipeline/container/run_arguments.hpp"

#include <fmt/format.h>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// A field of a list that engines read as one line of CSV.
std::string field(const std::string& key, const std::string& value) {
  const std::string text = key + "=" + value;
  if (text.find_first_of(",\"\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

// Podman reads no quotes in --mount before its version 5, and no colons within paths in --volume;
// combinations of a matrix have commas in their names.
void add_mount(const Mount& mount, EngineKind engine, std::vector<std::string>& arguments) {
  const std::string source = mount.source.string();
  if (engine == EngineKind::podman && (source + mount.target).find(':') == std::string::npos) {
    arguments.insert(arguments.end(),
                     {"--volume", fmt::format("{}:{}{}", source, mount.target, mount.writable ? "" : ":ro")});
    return;
  }
  arguments.insert(arguments.end(), {"--mount", fmt::format("type=bind,{},{}{}", field("source", source),
                                                            field("target", mount.target),
                                                            mount.writable ? "" : ",readonly")});
}

void add_gpus(const ContainerRun& run, std::vector<std::string>& arguments) {
  if (run.gpus.empty()) {
    return;
  }
  if (run.engine == EngineKind::docker) {
    arguments.insert(arguments.end(), {"--gpus", field("device", join(run.gpus, ",")) + "," +
                                                     field("capabilities", "compute,utility")});
    return;
  }
  for (const std::string& gpu : run.gpus) {
    arguments.insert(arguments.end(), {"--device", "nvidia.com/gpu=" + gpu});
  }
}

void add_limits(const ContainerRun& run, std::vector<std::string>& arguments) {
  constexpr double thousandths = 1000;
  if (run.cpu > 0) {
    arguments.insert(arguments.end(),
                     {"--cpus", fmt::format("{:.3f}", static_cast<double>(run.cpu) / thousandths)});
  }
  if (run.memory > 0) {
    const std::string bytes = std::to_string(run.memory);
    arguments.insert(arguments.end(), {"--memory", bytes, "--memory-swap", bytes});
  }
  if (run.shared_memory > 0) {
    arguments.insert(arguments.end(), {"--shm-size", std::to_string(run.shared_memory)});
  }
}

}  // namespace

std::vector<std::string> run_arguments(const ContainerRun& run) {
  std::vector<std::string> arguments = {
      "run", "--rm", "--interactive", "--pull=never", "--log-driver=none", "--name", run.name,
      // The name of the machine inside is no reason for other results.
      "--hostname=mlpipe", "--cap-drop=ALL", "--security-opt=no-new-privileges",
      // What is mounted keeps its label where SELinux has one for it.
      "--security-opt=label=disable", "--read-only"};
  for (const char* folder : {"/tmp", "/var/tmp", "/run"}) {
    arguments.insert(arguments.end(), {"--tmpfs", fmt::format("{}:exec,mode=1777", folder)});
  }
  arguments.insert(arguments.end(), {"--user", run.user});
  if (run.keep_user_namespace) {
    arguments.emplace_back("--userns=keep-id");
  }
  if (!run.network) {
    arguments.emplace_back("--network=none");
  }
  add_limits(run, arguments);
  add_gpus(run, arguments);
  for (const auto& [name, value] : run.labels) {
    arguments.insert(arguments.end(), {"--label", fmt::format("{}={}", name, value)});
  }
  for (const Mount& mount : run.mounts) {
    add_mount(mount, run.engine, arguments);
  }
  arguments.insert(arguments.end(), {"--workdir", "/", "--entrypoint", run.command.front(), run.image});
  arguments.insert(arguments.end(), run.command.begin() + 1, run.command.end());
  return arguments;
}

}  // namespace mlpipe
