#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/array_data.hpp"
#include "trainer/data/files.hpp"
#include "trainer/data/npy.hpp"

namespace mlpipe {
namespace {

struct CloseArchive {
  void operator()(archive* opened) const { archive_read_free(opened); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

[[noreturn]] void refuse(const std::string& name, const std::string& why, const std::string& hint = "") {
  throw UsageError(fmt::format("{}: {}", name, why), hint);
}

std::string reason(archive* opened) {
  const char* text = archive_error_string(opened);
  return text == nullptr ? "it cannot be read" : printable(text);
}

Archive open_archive(const std::filesystem::path& path) {
  require_data_file(path);
  Archive opened(archive_read_new());
  // Read from the front, so that the place of each entry is known; zip files that say the sizes of their
  // entries only at the end are read all the same.
  archive_read_support_format_zip_streamable(opened.get());
  constexpr std::size_t block = std::size_t{1} << 16U;
  if (archive_read_open_filename(opened.get(), path.c_str(), block) != ARCHIVE_OK) {
    refuse(path.string(), fmt::format("it is no .npz archive: {}", reason(opened.get())));
  }
  return opened;
}

StoredBytes read_entry(archive* opened, const std::string& name, std::size_t memory) {
  ByteCollector bytes(memory);
  std::vector<char> buffer(std::size_t{1} << 18U);
  while (true) {
    const la_ssize_t count = archive_read_data(opened, buffer.data(), buffer.size());
    if (count < 0) {
      refuse(name, reason(opened), "the file is cut off or damaged");
    }
    if (count == 0) {
      return bytes.finish();
    }
    bytes.append({buffer.data(), static_cast<std::size_t>(count)});
  }
}

std::size_t number_at(std::string_view bytes, std::size_t position, std::size_t size) {
  std::size_t number = 0;
  for (std::size_t i = size; i-- > 0;) {
    number = number << 8U | static_cast<unsigned char>(bytes[position + i]);
  }
  return number;
}

// The bytes of an entry that is not compressed, where they lie in the archive; nothing for another one. What
// the archive says about it is only believed as far as it agrees with what libarchive has read.
std::optional<StoredBytes> map_entry(archive* opened, archive_entry* entry, const StoredBytes& file) {
  constexpr std::size_t header_size = 30;  // of a local file header, whose name and extra field follow it
  constexpr std::size_t flags_at = 6;
  constexpr std::size_t method_at = 8;
  constexpr std::size_t name_size_at = 26;
  constexpr std::size_t extra_size_at = 28;
  constexpr std::size_t encrypted_or_sized_at_end = 0x9;
  const la_int64_t position = archive_read_header_position(opened);
  const la_int64_t size = archive_entry_size(entry);
  const std::string_view bytes = file.view();
  if (position < 0 || size <= 0 || static_cast<std::size_t>(position) > bytes.size()) {
    return std::nullopt;
  }
  const std::string_view header = bytes.substr(static_cast<std::size_t>(position));
  if (header.size() < header_size || !header.starts_with("PK\3\4") || number_at(header, method_at, 2) != 0 ||
      (number_at(header, flags_at, 2) & encrypted_or_sized_at_end) != 0) {
    return std::nullopt;
  }
  const std::size_t begin =
      header_size + number_at(header, name_size_at, 2) + number_at(header, extra_size_at, 2);
  if (begin > header.size() || static_cast<std::size_t>(size) > header.size() - begin) {
    return std::nullopt;  // reading it will say what is wrong
  }
  const std::size_t at = static_cast<std::size_t>(position) + begin;
  return StoredBytes{file.owner, file.bytes.subspan(at, static_cast<std::size_t>(size))};
}

// The arrays of an archive that were asked for; those it does not have are left out.
class NpzFile {
 public:
  NpzFile(const std::filesystem::path& path, const std::vector<std::string>& wanted, std::size_t memory)
      : file_(path.string()), memory_(memory) {
    const Archive opened = open_archive(path);
    mapped_ = map_file(path);
    archive_entry* entry = nullptr;
    int status = ARCHIVE_OK;
    while ((status = archive_read_next_header(opened.get(), &entry)) == ARCHIVE_OK) {
      const std::string name = name_of(entry);
      names_.push_back(name);
      if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) {
        take(opened.get(), entry, name);
      }
    }
    if (status != ARCHIVE_EOF || names_.empty()) {
      refuse(file_, fmt::format("it is no .npz archive: {}", reason(opened.get())));
    }
  }

  const std::vector<std::string>& names() const { return names_; }

  std::optional<NumericArray> find(const std::string& name) const {
    const auto found = arrays_.find(name);
    return found == arrays_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  static std::string name_of(archive_entry* entry) {
    constexpr std::string_view suffix = ".npy";
    const char* pathname = archive_entry_pathname(entry);
    std::string name = pathname == nullptr ? "" : pathname;
    if (name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
    }
    return name;
  }

  void take(archive* opened, archive_entry* entry, const std::string& name) {
    const std::string label = fmt::format("{}, array {}", file_, name);
    auto bytes = map_entry(opened, entry, mapped_);
    if (!bytes) {
      bytes = read_entry(opened, label, memory_);
      memory_ -= std::min(memory_, bytes->bytes.size());
    }
    arrays_.insert_or_assign(name, parse_npy(*bytes, label));
  }

  std::string file_;
  std::size_t memory_;  // what the arrays to come may take up
  StoredBytes mapped_;
  std::vector<std::string> names_;
  std::map<std::string, NumericArray> arrays_;
};

}  // namespace

RawData read_npz(const NpzSource& source, const ReadOptions& options) {
  std::vector<std::string> wanted = {source.images, source.labels};
  if (options.with_test) {
    wanted.insert(wanted.end(), {source.test_images, source.test_labels});
  }
  const NpzFile file(source.file, wanted, options.memory);
  return data_from_names(
      source, file.names(), [&](const std::string& name) { return file.find(name); }, options);
}

}  // namespace mlpipe
