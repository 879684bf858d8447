#include "pipeline/archive/pack.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <optional>

#include "pipeline/archive/archive.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view blobs_folder = "blobs/sha256/";

// The digest that a name promises.
std::optional<Digest> promised(const std::string& name) {
  if (!name.starts_with(blobs_folder)) {
    return std::nullopt;
  }
  const std::string hex = name.substr(blobs_folder.size());
  return Digest::is_hex(hex) && Digest::from_hex(hex).hex() == hex ? std::optional(Digest::from_hex(hex))
                                                                   : std::nullopt;
}

void unpack_entry(ArchiveReader& reader, const ArchiveReader::Entry& entry, const fs::path& folder) {
  const std::optional<Digest> digest = promised(entry.name);
  if (!digest && entry.name != export_index_name) {
    throw UsageError(fmt::format("it holds '{}', which no export does", printable(entry.name)));
  }
  const fs::path path = folder / entry.name;
  std::error_code error;
  if (fs::exists(path, error)) {
    throw UsageError(fmt::format("it holds {} twice", entry.name));
  }
  const FileDescriptor file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0444);
  std::array<char, 1U << 16U> buffer{};
  Hasher hasher;
  while (const std::size_t count = reader.read(buffer)) {
    hasher.update({buffer.data(), count});
    write_all(file.get(), {buffer.data(), count}, path.string());
  }
  if (digest && hasher.finish() != *digest) {
    throw UsageError(fmt::format("the bytes of {} are not those that it is named after", entry.name));
  }
  if (::fchmod(file.get(), 0444) != 0) {
    throw_errno(fmt::format("writing {}", path.string()));
  }
}

}  // namespace

std::vector<PackedFile> parse_packed_files(std::string_view text) {
  std::vector<std::string> parts = split(text, '\0');
  if (parts.size() % 2 != 1 || !parts.back().empty()) {
    throw UsageError("the list of files is not NAME, NUL, PATH, NUL for each");
  }
  std::vector<PackedFile> files;
  for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
    files.push_back({std::move(parts[i]), std::move(parts[i + 1])});
  }
  return files;
}

void pack(const fs::path& archive, const std::vector<PackedFile>& files) {
  ArchiveWriter writer(archive);
  for (const PackedFile& file : files) {
    const Digest digest = writer.add_file(file.name, file.path);
    if (const auto wanted = promised(file.name); wanted && *wanted != digest) {
      throw Error(
          fmt::format("{} is damaged: its bytes are not those that it is named after", file.path.string()),
          "`mlpipe store verify` sets it aside and says what depends on it");
    }
  }
  writer.finish();
}

void unpack(const fs::path& archive, const fs::path& folder) {
  fs::create_directories(folder / blobs_folder);
  ArchiveReader reader(archive);
  bool first = true;
  while (const auto entry = reader.next()) {
    try {
      if (first && entry->name != export_index_name) {
        throw UsageError(
            fmt::format("it does not begin with {}, so it is no export of a store", export_index_name));
      }
      unpack_entry(reader, *entry, folder);
    } catch (const UsageError& error) {
      throw UsageError(fmt::format("{}: {}", archive.string(), error.what()), error.hint());
    }
    first = false;
  }
  if (first) {
    throw UsageError(fmt::format("{}: it is empty", archive.string()));
  }
}

}  // namespace mlpipe
