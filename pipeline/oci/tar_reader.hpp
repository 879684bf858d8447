#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace mlpipe {

// Whether a name from outside may become a file below a folder: relative, without '..', '.' and empty parts,
// without characters that cannot be shown.
bool is_plain_path(std::string_view name);

struct UnpackLimits {
  std::uint64_t bytes = std::uint64_t{64} << 30U;  // of all files together
  std::size_t entries = 100'000;
};

// Unpacks a tar file, compressed or not, below a folder. What is in it is believed to be hostile: anything
// but files and folders with plain names, a file twice, or more than the limits is refused with a UsageError;
// the folder then holds some of it. Of a file's mode only whether it may be executed is kept.
void unpack_tar(const std::filesystem::path& tar, const std::filesystem::path& folder,
                const UnpackLimits& limits = {});

}  // namespace mlpipe
