#include "pipeline/archive/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 18U;

std::string reason(archive* opened) {
  const char* text = archive_error_string(opened);
  return text == nullptr ? "it cannot be read" : printable(text);
}

struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

}  // namespace

void ArchiveWriter::Free::operator()(archive* opened) const {
  archive_write_free(opened);
}

ArchiveWriter::ArchiveWriter(const fs::path& file)
    : file_(file), temporary_(file.string() + ".XXXXXX"), archive_(archive_write_new()) {
  if (fs::exists(fs::symlink_status(file))) {
    temporary_.clear();
    throw UsageError(fmt::format("{} is there already", file.string()),
                     "name a file that does not exist yet");
  }
  descriptor_ = FileDescriptor(::mkostemp(temporary_.data(), O_CLOEXEC));
  if (!descriptor_) {
    temporary_.clear();
    throw_errno(fmt::format("writing {}", file.string()));
  }
  archive_write_set_format_pax_restricted(archive_.get());
  if (archive_write_open_fd(archive_.get(), descriptor_.get()) != ARCHIVE_OK) {
    throw Error(fmt::format("writing {}: {}", file_.string(), reason(archive_.get())));
  }
}

ArchiveWriter::~ArchiveWriter() {
  archive_.reset();
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void ArchiveWriter::begin_entry(const std::string& name, std::uint64_t bytes) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0444);
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (archive_write_header(archive_.get(), entry.get()) != ARCHIVE_OK) {
    throw Error(fmt::format("writing {}: {}", file_.string(), reason(archive_.get())));
  }
}

void ArchiveWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t count = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    if (count <= 0) {
      throw Error(fmt::format("writing {}: {}", file_.string(), reason(archive_.get())));
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

Digest ArchiveWriter::add_file(const std::string& name, const fs::path& path) {
  const FileDescriptor file = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw_errno(fmt::format("reading {}", path.string()));
  }
  begin_entry(name, static_cast<std::uint64_t>(status.st_size));
  std::string buffer(buffer_size, '\0');
  Hasher hasher;
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0) {
      throw_errno(fmt::format("reading {}", path.string()));
    }
    if (count == 0) {
      return hasher.finish();
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    hasher.update(bytes);
    write(bytes);
  }
}

void ArchiveWriter::finish() {
  if (archive_write_close(archive_.get()) != ARCHIVE_OK) {
    throw Error(fmt::format("writing {}: {}", file_.string(), reason(archive_.get())));
  }
  if (::fchmod(descriptor_.get(), 0644) != 0 || ::fsync(descriptor_.get()) != 0) {
    throw_errno(fmt::format("writing {}", file_.string()));
  }
  fs::rename(temporary_, file_);
  temporary_.clear();
  sync_directory(fs::absolute(file_).parent_path());
}

void ArchiveReader::Free::operator()(archive* opened) const {
  archive_read_free(opened);
}

void ArchiveReader::refuse(const std::string& why) const {
  throw UsageError(entry_.empty() ? fmt::format("{}: {}", file_.string(), why)
                                  : fmt::format("{}, {}: {}", file_.string(), entry_, why),
                   "`mlpipe store export` writes the files that can be imported");
}

ArchiveReader::ArchiveReader(fs::path file) : file_(std::move(file)), archive_(archive_read_new()) {
  std::error_code error;
  if (!fs::is_regular_file(file_, error)) {
    throw UsageError(fmt::format("{}: there is no such file", file_.string()));
  }
  archive_read_support_format_tar(archive_.get());
  if (archive_read_open_filename(archive_.get(), file_.c_str(), buffer_size) != ARCHIVE_OK) {
    refuse(fmt::format("it is no tar file: {}", reason(archive_.get())));
  }
}

std::optional<ArchiveReader::Entry> ArchiveReader::next() {
  archive_entry* entry = nullptr;
  entry_.clear();
  const int code = archive_read_next_header(archive_.get(), &entry);
  if (code == ARCHIVE_EOF) {
    return std::nullopt;
  }
  if (code != ARCHIVE_OK) {
    refuse(reason(archive_.get()));
  }
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr || printable(name) != name || !is_inside_path(name)) {
    refuse("it holds an entry whose name leads out of it or cannot be shown");
  }
  entry_ = name;
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
      archive_entry_symlink(entry) != nullptr || archive_entry_size_is_set(entry) == 0 ||
      archive_entry_size(entry) < 0 || archive_entry_sparse_count(entry) > 0) {
    refuse("it is not a plain file");
  }
  return Entry{entry_};
}

std::size_t ArchiveReader::read(std::span<char> buffer) {
  const la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
  if (count < 0) {
    refuse(fmt::format("it is cut off or damaged: {}", reason(archive_.get())));
  }
  return static_cast<std::size_t>(count);
}

}  // namespace mlpipe
