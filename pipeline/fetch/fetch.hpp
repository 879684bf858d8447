#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "pipeline/base/digest.hpp"

namespace mlpipe {

struct FetchRequest {
  std::string url;
  Digest sha256;
  std::filesystem::path output;
  std::optional<std::chrono::milliseconds> timeout;  // for all attempts together
  std::filesystem::path progress;                    // lines of JSON are appended to it; empty: none
};

// Waits that long; true when this process is asked to end (SIGTERM or SIGINT, which must be blocked).
using WaitForEnd = std::function<bool(std::chrono::milliseconds)>;

struct Fetched {
  std::uint64_t bytes = 0;
  std::chrono::milliseconds duration{0};
};

// Downloads to a temporary name beside the output, which it is renamed to once the digest is right. Tries
// again up to three times what may pass, and says so on standard error. Empty when it was asked to end.
// Throws Error in one sentence that names the URL. Whatever happens, no partial file is left.
std::optional<Fetched> fetch(const FetchRequest& request, const WaitForEnd& wait_for_end);

}  // namespace mlpipe
