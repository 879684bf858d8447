#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace mlpipe {

// The GNU build id of a 64-bit ELF program, in hexadecimal: the linker's digest of what it linked, which
// installing and stripping do not change (format: elf(5), NT_GNU_BUILD_ID). Nothing when the file is no such
// program.
std::optional<std::string> build_id_of(const std::filesystem::path& program);

}  // namespace mlpipe
