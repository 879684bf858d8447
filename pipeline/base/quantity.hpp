#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mlpipe {

// Amounts as Kubernetes writes them.

// Thousandths of a core: "2", "0.5", "500m".
std::optional<std::int64_t> parse_cores(std::string_view text);
// Bytes: "4Gi", "512M", "1.5Gi", "1000000".
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// "2", "0.5".
std::string format_cores(std::int64_t thousandths);

}  // namespace mlpipe
