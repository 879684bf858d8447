#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// The first entry of an export: the index's rows.
inline constexpr const char* export_index_name = "mlpipe-export.jsonl";

// A file and the name that it gets in the archive.
struct PackedFile {
  std::string name;
  std::filesystem::path path;
};

// "NAME\0PATH\0" for each file, which is what `mlpipe-archive pack` reads; throws UsageError for anything
// else.
std::vector<PackedFile> parse_packed_files(std::string_view text);

// Writes them into a new tar file in their order. A file whose name is blobs/sha256/HEX must have that
// digest.
void pack(const std::filesystem::path& archive, const std::vector<PackedFile>& files);

// Writes what an export holds below a folder: mlpipe-export.jsonl, and read-only blobs/sha256/HEX with the
// bytes that they are named after. Throws UsageError for anything else in it; the folder then holds some of
// it.
void unpack(const std::filesystem::path& archive, const std::filesystem::path& folder);

}  // namespace mlpipe
