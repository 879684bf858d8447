#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/npy.hpp"

namespace mlpipe {
namespace {

// Unpacked, so that a small file cannot fill the memory.
constexpr std::size_t largest_array = std::size_t{8} << 30U;

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
  archive_read_support_format_zip(opened.get());
  constexpr std::size_t block = std::size_t{1} << 16U;
  if (archive_read_open_filename(opened.get(), path.c_str(), block) != ARCHIVE_OK) {
    refuse(path.string(), fmt::format("it is no .npz archive: {}", reason(opened.get())));
  }
  return opened;
}

std::string read_entry(archive* opened, const std::string& name) {
  std::string bytes;
  std::array<char, 1U << 18U> buffer{};
  while (true) {
    const la_ssize_t count = archive_read_data(opened, buffer.data(), buffer.size());
    if (count < 0) {
      refuse(name, reason(opened), "the file is cut off or damaged");
    }
    if (count == 0) {
      return bytes;
    }
    if (bytes.size() + static_cast<std::size_t>(count) > largest_array) {
      refuse(name, fmt::format("it is larger than {}", format_bytes(largest_array)));
    }
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

// The arrays of an archive that were asked for; those it does not have are left out.
class NpzFile {
 public:
  NpzFile(const std::filesystem::path& path, const std::vector<std::string>& wanted) : file_(path.string()) {
    constexpr std::string_view suffix = ".npy";
    const Archive opened = open_archive(path);
    archive_entry* entry = nullptr;
    int status = ARCHIVE_OK;
    while ((status = archive_read_next_header(opened.get(), &entry)) == ARCHIVE_OK) {
      const char* pathname = archive_entry_pathname(entry);
      std::string name = pathname == nullptr ? "" : pathname;
      if (name.ends_with(suffix)) {
        name.resize(name.size() - suffix.size());
      }
      names_.push_back(name);
      if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) {
        const std::string label = fmt::format("{}, array {}", file_, name);
        arrays_.insert_or_assign(name, parse_npy(read_entry(opened.get(), label), label));
      }
    }
    if (status != ARCHIVE_EOF || names_.empty()) {
      refuse(file_, fmt::format("it is no .npz archive: {}", reason(opened.get())));
    }
  }

  bool has(const std::string& name) const { return arrays_.contains(name); }

  NumericArray take(const std::string& name) {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) {
      refuse(file_, fmt::format("there is no array '{}' in it", name), suggest_name(name, names_));
    }
    NumericArray array = std::move(found->second);
    arrays_.erase(found);
    return array;
  }

 private:
  std::string file_;
  std::vector<std::string> names_;
  std::map<std::string, NumericArray> arrays_;
};

}  // namespace

RawData read_npz(const NpzSource& source, bool with_test) {
  std::vector<std::string> wanted = {source.images, source.labels};
  if (with_test) {
    wanted.insert(wanted.end(), {source.test_images, source.test_labels});
  }
  NpzFile file(source.file, wanted);
  NumericArray images = file.take(source.images);
  RawData data;
  data.source = source.file.string();
  data.shape = example_shape(images);
  data.examples = examples_from(std::move(images), file.take(source.labels));
  if (with_test && (source.test_required || file.has(source.test_images))) {
    NumericArray test_images = file.take(source.test_images);
    if (example_shape(test_images) != data.shape) {
      refuse(test_images.name,
             fmt::format("its examples have the shape {}, and those of {} have {}",
                         shape_text(example_shape(test_images)), source.images, shape_text(data.shape)));
    }
    data.test = examples_from(std::move(test_images), file.take(source.test_labels));
  }
  return data;
}

}  // namespace mlpipe
