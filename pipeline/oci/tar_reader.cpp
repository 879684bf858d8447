#include "pipeline/oci/tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

struct FreeArchive {
  void operator()(archive* opened) const { archive_read_free(opened); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

constexpr std::size_t buffer_size = std::size_t{1} << 18U;

Archive open_tar(const fs::path& tar) {
  Archive opened(archive_read_new());
  archive_read_support_format_tar(opened.get());
  archive_read_support_filter_gzip(opened.get());
  archive_read_support_filter_zstd(opened.get());
  if (archive_read_open_filename(opened.get(), tar.c_str(), buffer_size) != ARCHIVE_OK) {
    throw UsageError("a layer of it is no tar file");
  }
  return opened;
}

std::string plain_name_of(archive_entry* entry) {
  const char* text = archive_entry_pathname(entry);
  std::string name = text == nullptr ? "" : text;
  while (name.starts_with("./")) {
    name.erase(0, 2);
  }
  if (archive_entry_filetype(entry) == AE_IFDIR && name.ends_with('/')) {
    name.pop_back();
  }
  return name;
}

void write_entry(archive* opened, const fs::path& to, const std::string& name, bool executable,
                 std::uint64_t& left) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error || fs::exists(fs::symlink_status(to))) {
    throw UsageError(fmt::format("a layer of it holds {} twice", name));
  }
  const FileDescriptor file =
      open_file(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, executable ? 0755 : 0644);
  std::array<char, std::size_t{1} << 16U> buffer{};
  while (true) {
    const la_ssize_t count = archive_read_data(opened, buffer.data(), buffer.size());
    if (count < 0) {
      throw UsageError(fmt::format("a layer of it is cut off or damaged, at {}", name));
    }
    if (count == 0) {
      return;
    }
    if (static_cast<std::uint64_t>(count) > left) {
      throw UsageError("a layer of it unpacks to more bytes than a model may have");
    }
    left -= static_cast<std::uint64_t>(count);
    write_all(file.get(), {buffer.data(), static_cast<std::size_t>(count)}, to.string());
  }
}

}  // namespace

bool is_plain_path(std::string_view name) {
  if (name.empty() || printable(name) != name || name.find('\n') != std::string_view::npos ||
      !is_utf8(name)) {
    return false;
  }
  for (const std::string& part : split(name, '/')) {
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
  }
  return true;
}

void unpack_tar(const fs::path& tar, const fs::path& folder, const UnpackLimits& limits) {
  const Archive opened = open_tar(tar);
  std::uint64_t left = limits.bytes;
  for (std::size_t entries = 0;; ++entries) {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(opened.get(), &entry);
    if (code == ARCHIVE_EOF) {
      return;
    }
    if (code != ARCHIVE_OK) {
      throw UsageError("a layer of it is no tar file, or is cut off or damaged");
    }
    if (entries == limits.entries) {
      throw UsageError(fmt::format("a layer of it holds more than {} files", limits.entries));
    }
    const std::string name = plain_name_of(entry);
    const bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (is_folder && (name.empty() || name == ".")) {
      continue;
    }
    if (!is_plain_path(name)) {
      throw UsageError("a layer of it holds an entry whose name leads out of it or cannot be shown");
    }
    if (is_folder) {
      fs::create_directories(folder / name);
    } else if (archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr) {
      write_entry(opened.get(), folder / name, name, (archive_entry_perm(entry) & 0100) != 0, left);
    } else {
      throw UsageError(fmt::format("{} in a layer of it is neither a file nor a folder", name));
    }
  }
}

}  // namespace mlpipe
