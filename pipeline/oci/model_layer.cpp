#include "pipeline/oci/model_layer.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/tar_writer.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> sorted_entries(const fs::path& model) {
  std::error_code error;
  if (!fs::is_directory(model, error)) {
    throw UsageError(fmt::format("{} is no folder", model.string()), "name the folder that holds model.yaml");
  }
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(model)) {
    if (entry.is_symlink() || (!entry.is_regular_file() && !entry.is_directory())) {
      throw UsageError(fmt::format("{} is neither a file nor a folder", printable(entry.path().string())),
                       "a model is made of plain files");
    }
    entries.push_back(entry.path().lexically_relative(model));
  }
  if (entries.empty()) {
    throw UsageError(fmt::format("{} is empty", model.string()));
  }
  // A folder comes before what is in it.
  std::sort(entries.begin(), entries.end(),
            [](const fs::path& a, const fs::path& b) { return a.generic_string() < b.generic_string(); });
  return entries;
}

}  // namespace

ModelLayer write_model_layer(const fs::path& model, const fs::path& file) {
  const FileDescriptor output = open_file(file, O_WRONLY | O_CREAT | O_EXCL, 0644);
  ModelLayer layer{file, {}, 0};
  Hasher hasher;
  TarWriter tar([&](std::string_view bytes) {
    write_all(output.get(), bytes, file.string());
    hasher.update(bytes);
    layer.bytes += bytes.size();
  });
  const std::string top = fs::path(model_place).filename().string();
  const std::vector<fs::path> entries = sorted_entries(model);
  tar.folder(top);
  for (const fs::path& entry : entries) {
    const std::string name = top + "/" + entry.generic_string();
    const fs::path path = model / entry;
    if (fs::is_directory(path)) {
      tar.folder(name);
    } else {
      const bool executable = (fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none;
      tar.file_from(name, path, executable);
    }
  }
  tar.finish();
  layer.digest = hasher.finish();
  return layer;
}

}  // namespace mlpipe
