#include "pipeline/exec/machine.hpp"

#include <sys/sysinfo.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/exec/programs.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t thousandths = 1000;
constexpr std::uint64_t longest_line = 4096;

std::string text_of(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) ? read_file_if_exists(path, longest_line).value_or("") : "";
}

// The folders of this process's control groups, from its own up to the root: a limit of any of them holds.
std::vector<fs::path> control_groups() {
  std::vector<fs::path> folders;
  for (const std::string& line : split(text_of("/proc/self/cgroup"), '\n')) {
    const std::vector<std::string> parts = split(line, ':');  // "0::/user.slice", "4:memory:/docker/…"
    if (parts.size() < 3) {
      continue;
    }
    const fs::path root =
        parts[1].empty() ? fs::path("/sys/fs/cgroup") : fs::path("/sys/fs/cgroup") / parts[1];
    for (fs::path path = fs::path(parts[2]).lexically_normal(); path.has_relative_path();
         path = path.parent_path()) {
      folders.push_back(root / path.relative_path());
    }
    folders.push_back(root);
  }
  return folders;
}

std::vector<std::string> gpus() {
  if (const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES")) {
    std::vector<std::string> named;
    for (const std::string& one : split(chosen, ',')) {
      if (!trim(one).empty()) {
        named.emplace_back(trim(one));
      }
    }
    return named;
  }
  std::vector<std::string> found;
  std::error_code error;
  constexpr std::string_view prefix = "nvidia";
  for (fs::directory_iterator entry("/dev", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && parse_integer(name.substr(prefix.size()))) {
      found.push_back(name.substr(prefix.size()));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::optional<std::int64_t> cores_of_cpu_max(std::string_view text) {
  const std::vector<std::string> parts = split(trim(text), ' ');
  const auto quota = parts.size() == 2 ? parse_integer(parts[0]) : std::nullopt;
  const auto period = parts.size() == 2 ? parse_integer(parts[1]) : std::nullopt;
  return quota && period && *quota > 0 && *period > 0 ? std::optional(*quota * thousandths / *period)
                                                      : std::nullopt;
}

std::optional<std::uint64_t> bytes_of_memory_max(std::string_view text) {
  const auto bytes = parse_integer(trim(text));
  return bytes && *bytes > 0 ? std::optional(static_cast<std::uint64_t>(*bytes)) : std::nullopt;
}

Capacity capacity_of_machine() {
  Capacity capacity;
  capacity.cpu = usable_cores() * thousandths;
  struct sysinfo system {};
  if (::sysinfo(&system) == 0) {
    capacity.memory = static_cast<std::uint64_t>(system.totalram) * system.mem_unit;
  }
  for (const fs::path& group : control_groups()) {
    capacity.cpu =
        std::min(capacity.cpu, cores_of_cpu_max(text_of(group / "cpu.max")).value_or(capacity.cpu));
    for (const char* name : {"memory.max", "memory.limit_in_bytes"}) {
      capacity.memory =
          std::min(capacity.memory, bytes_of_memory_max(text_of(group / name)).value_or(capacity.memory));
    }
  }
  capacity.gpus = gpus();
  return capacity;
}

}  // namespace mlpipe
