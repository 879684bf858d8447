#include "pipeline/exec/container_host.hpp"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cctype>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Podman is told of devices by files.
bool has_device_files() {
  constexpr std::uint64_t largest = std::uint64_t{1} << 20U;
  for (const fs::path folder : {"/etc/cdi", "/var/run/cdi"}) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      if (read_file_if_exists(entry->path(), largest).value_or("").find("nvidia.com/gpu") !=
          std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

// Docker's engine runs a program of NVIDIA's container toolkit; it need not be registered as a runtime.
bool has_toolkit(const std::string& runtimes, const Environment& environment) {
  if (runtimes.find("nvidia") != std::string::npos) {
    return true;
  }
  try {
    find_program("nvidia-container-runtime-hook", environment);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Half of the memory, as Linux gives /dev/shm itself: what engines give is too little for data loaders.
std::uint64_t shared_memory_of(const Resources& resources) {
  if (resources.memory > 0) {
    return resources.memory / 2;
  }
  struct sysinfo system {};
  return ::sysinfo(&system) == 0 ? static_cast<std::uint64_t>(system.totalram) * system.mem_unit / 2 : 0;
}

// Names of containers hold letters, digits and "_.-".
std::string part_of_name(const std::string& text) {
  constexpr std::size_t longest = 40;
  std::string part;
  for (const char c : text.substr(0, longest)) {
    const bool allowed = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
    part += allowed ? c : '_';
  }
  return part;
}

}  // namespace

ContainerHost ContainerHost::find(const Environment& environment) {
  ContainerHost host{Engine::find("", environment)};
  if (host.engine.kind() == EngineKind::docker) {
    const std::string facts = host.engine.ask(
        {"info", "--format", "{{.SecurityOptions}} {{range $name, $runtime := .Runtimes}}{{$name}} {{end}}"});
    host.rootless = facts.find("rootless") != std::string::npos;
    host.has_gpus = has_toolkit(facts, environment);
  } else {
    host.rootless = host.engine.ask({"info", "--format", "{{.Host.Security.Rootless}}"}) == "true";
    host.has_gpus = has_device_files();
  }
  return host;
}

JobContainer container_of(const Step& step, const ContainerHost& host, const std::string& image_id,
                          const std::vector<std::string>& gpus, const fs::path& job_directory) {
  JobContainer container;
  container.engine_program = host.engine.program();
  ContainerRun& run = container.run;
  run.engine = host.engine.kind();
  run.image = image_id;
  run.name = fmt::format("mlpipe-{}-{}", part_of_name(step.name),
                         digest_of(job_directory.string()).hex().substr(0, 16));
  run.labels = {{"mlpipe.job", job_directory.string()}, {"mlpipe.step", step.name}};
  // Docker without root has the calling user as its root; podman can keep the ids as they are.
  const bool docker_without_root = host.rootless && host.engine.kind() == EngineKind::docker;
  run.user = docker_without_root ? "0:0" : fmt::format("{}:{}", ::geteuid(), ::getegid());
  run.keep_user_namespace = host.rootless && host.engine.kind() == EngineKind::podman;
  run.network = step.network;
  run.memory = step.resources.memory;
  run.shared_memory = shared_memory_of(step.resources);
  run.cpu = step.resources.cpu;
  run.gpus = gpus;
  return container;
}

}  // namespace mlpipe
