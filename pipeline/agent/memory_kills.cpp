#include "pipeline/agent/memory_kills.hpp"

#include <filesystem>
#include <string>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {

std::optional<std::uint64_t> memory_kills_in(std::string_view text) {
  constexpr std::string_view name = "oom_kill ";
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with(name)) {
      const auto number = parse_integer(trim(std::string_view(line).substr(name.size())));
      return number && *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> memory_kills() {
  // Engines show a container its own control group there.
  for (const std::filesystem::path path :
       {"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}) {
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) {
      return memory_kills_in(read_file(path));
    }
  }
  return std::nullopt;
}

}  // namespace mlpipe
