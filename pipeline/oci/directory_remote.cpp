#include "pipeline/oci/directory_remote.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_record = std::uint64_t{64} << 20U;

fs::path folder_of(const std::string& url) {
  const fs::path folder = url.substr(directory_scheme.size());
  if (!folder.is_absolute() || folder.lexically_normal() != folder) {
    throw UsageError(fmt::format("'{}' names no folder", printable(url)), "write dir:///FOLDER");
  }
  return folder;
}

// Nobody else has that name, also on another machine.
std::string name_before(const std::string& name) {
  std::random_device random;
  return fmt::format("{}.{:08x}{:08x}.tmp", name, random(), random());
}

// To a file that does not exist yet, and is not there when the bytes are others than those of the digest.
void write_checked(const RemoteBlob& blob, const ByteSource& source, const fs::path& to,
                   Durability durability) {
  const FileDescriptor target = open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
  try {
    Hasher hasher;
    std::uint64_t got = 0;
    std::string piece(std::size_t{1} << 20U, '\0');
    for (std::size_t count = 0; (count = source(piece.data(), piece.size())) > 0; got += count) {
      const auto bytes = std::string_view(piece).substr(0, count);
      hasher.update(bytes);
      write_all(target.get(), bytes, to.string());
    }
    if (const Digest found = hasher.finish(); got != blob.bytes || found != blob.digest) {
      throw Error(fmt::format("what should have been {} are other bytes, {} of them, sha256:{}",
                              digest_text(blob.digest), got, found.hex()));
    }
    if (durability == Durability::now && ::fsync(target.get()) != 0) {
      throw_errno(fmt::format("writing {}", to.string()));
    }
  } catch (...) {
    ::unlink(to.c_str());
    throw;
  }
}

}  // namespace

DirectoryRemote::DirectoryRemote(const std::string& url) : folder_(folder_of(url)) {}

fs::path DirectoryRemote::path_of(const Digest& digest) const {
  return folder_ / "blobs" / "sha256" / digest.hex();
}

Remote::Keys DirectoryRemote::keys(std::size_t most) {
  Keys keys;
  std::error_code error;
  for (fs::directory_iterator entry(folder_ / "records", error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto key = key_of_result_record(entry->path().filename().string())) {
      if (keys.keys.size() == most) {
        keys.complete = false;
        break;
      }
      keys.keys.push_back(*key);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw Error(fmt::format("listing {}: {}", (folder_ / "records").string(), error.message()));
  }
  return keys;
}

std::optional<RemoteRecord> DirectoryRemote::get_record(const std::string& name) {
  require_record_name(name);
  const fs::path path = folder_ / "records" / name;
  const std::optional<std::string> text = read_file_if_exists(path, largest_record);
  if (!text) {
    return std::nullopt;
  }
  try {
    return parse_record(*text);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", path.string(), error.what()));
  }
}

void DirectoryRemote::put_record(const std::string& name, const RemoteRecord& record) {
  require_record_name(name);
  fs::create_directories(folder_ / "records");
  write_file_atomically(folder_ / "records" / name, to_text(record));
}

void DirectoryRemote::get_blob(const RemoteBlob& blob, const fs::path& to) {
  const FileDescriptor file = open_file(path_of(blob.digest), O_RDONLY);
  write_checked(blob, source_of(file), to, Durability::later);
}

void DirectoryRemote::put_blob(const RemoteBlob& blob, const fs::path& from) {
  const FileDescriptor file = open_file(from, O_RDONLY);
  std::error_code error;
  if (!fs::exists(path_of(blob.digest), error)) {
    put_bytes(blob, source_of(file));
  }
}

void DirectoryRemote::put_bytes(const RemoteBlob& blob, const ByteSource& source) {
  const fs::path path = path_of(blob.digest);
  fs::create_directories(path.parent_path());
  const fs::path early = name_before(path.string());
  write_checked(blob, source, early, Durability::now);
  fs::rename(early, path);
  sync_directory(path.parent_path());
}

}  // namespace mlpipe
