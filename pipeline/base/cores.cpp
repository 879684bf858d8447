#include "pipeline/base/cores.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// What a file of the kernel says; nothing where there is none or it is not for us to read.
std::string text_in(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::optional<double> number_in(std::string_view text) {
  const std::string_view digits = trim(text);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(number) : std::nullopt;
}

// Time in each period, in cores; nothing for "max", -1 and what is no number.
std::optional<double> cores_of(std::string_view quota, std::string_view period) {
  const std::optional<double> time = number_in(quota);
  const std::optional<double> length = number_in(period);
  return time && length && *time > 0 && *length > 0 ? std::optional(*time / *length) : std::nullopt;
}

// Version 2: "QUOTA PERIOD".
std::optional<double> quota_of_unified(const fs::path& group) {
  const std::string text = text_in(group / "cpu.max");
  const std::vector<std::string> parts = split(trim(text), ' ');
  return parts.size() == 2 ? cores_of(parts[0], parts[1]) : std::nullopt;
}

// Version 1: a file for each.
std::optional<double> quota_of_controller(const fs::path& group) {
  return cores_of(text_in(group / "cpu.cfs_quota_us"), text_in(group / "cpu.cfs_period_us"));
}

// The least quota of a group and those above it. Within a container the folder that is mounted may itself be
// the group: then its path leads nowhere, and what counts is in the mount's own folder, which is looked at
// too.
template <typename QuotaOf>
std::optional<double> least_quota(const fs::path& mount, std::string_view path, QuotaOf quota_of) {
  std::optional<double> least;
  fs::path below = fs::path(path).relative_path();
  while (true) {
    if (const std::optional<double> quota = quota_of(mount / below)) {
      least = std::min(least.value_or(*quota), *quota);
    }
    if (below.empty()) {
      return least;
    }
    below = below.parent_path();
  }
}

}  // namespace

std::optional<int> cpu_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::optional<double> least;
  // Each line is "ID:CONTROLLERS:PATH"; the one of version 2 names no controllers.
  for (const std::string& line : split(text_in(root / "proc/self/cgroup"), '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string_view path = std::string_view(line).substr(second + 1);
    const std::vector<std::string> names = split(controllers, ',');
    std::optional<double> quota;
    if (controllers.empty()) {
      quota = least_quota(mounts, path, quota_of_unified);
    } else if (std::find(names.begin(), names.end(), "cpu") != names.end()) {
      quota = least_quota(mounts / "cpu", path, quota_of_controller);
      if (!quota) {  // where no link named after the one controller leads there
        quota = least_quota(mounts / controllers, path, quota_of_controller);
      }
    }
    if (quota) {
      least = std::min(least.value_or(*quota), *quota);
    }
  }
  return least ? std::optional(std::max(1, static_cast<int>(std::ceil(std::min(*least, 1e6)))))
               : std::nullopt;
}

int available_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const int allowed = ::sched_getaffinity(0, sizeof cores, &cores) == 0
                          ? CPU_COUNT(&cores)
                          : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, std::min(allowed, cpu_quota().value_or(allowed)));
}

}  // namespace mlpipe
