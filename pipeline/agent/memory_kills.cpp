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

std::optional<std::uint64_t> memory_limit() {
  // Version 1 says that there is none by a number near the largest.
  constexpr std::int64_t unlimited = std::int64_t{1} << 60U;
  for (const std::filesystem::path path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) {
      const auto bytes = parse_integer(trim(read_file(path)));
      return bytes && *bytes > 0 && *bytes < unlimited ? std::optional(static_cast<std::uint64_t>(*bytes))
                                                       : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace mlpipe
