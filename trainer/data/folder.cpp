#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/labels.hpp"
#include "trainer/data/parallel.hpp"
#include "trainer/data/raw_data.hpp"
#include "trainer/image/image.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

struct ImageFile {
  fs::path path;
  std::string label;
};

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

std::vector<fs::path> visible_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!is_hidden(entry.path())) {
      entries.push_back(entry.path());
    }
  }
  std::sort(entries.begin(), entries.end());  // the folder's own order is the file system's
  return entries;
}

// The images of a folder, by label and name. Files beside the folders of the labels are not looked at.
std::vector<ImageFile> list_images(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw UsageError(fmt::format("{}: there is no such folder", folder.string()),
                     "paths of data are relative to the folder that the training runs in");
  }
  std::vector<ImageFile> files;
  bool has_folders = false;
  for (const fs::path& of_label : visible_entries(folder)) {
    if (!fs::is_directory(of_label)) {
      continue;
    }
    has_folders = true;
    const std::size_t before = files.size();
    for (const fs::path& file : visible_entries(of_label)) {
      if (fs::is_directory(file)) {
        throw UsageError(fmt::format("{}: a folder stands where images of the label '{}' are", file.string(),
                                     printable(of_label.filename().string())),
                         "images lie in the folder of their label, not deeper");
      }
      files.push_back({file, of_label.filename().string()});
    }
    if (files.size() == before) {
      throw UsageError(fmt::format("{}: there is no image in it", of_label.string()),
                       "each folder is a label; remove it, or bring images of it");
    }
  }
  if (!has_folders) {
    throw UsageError(fmt::format("{}: there is no folder in it", folder.string()),
                     "images lie in a folder for each label");
  }
  return files;
}

Image read_fitting(const fs::path& path, std::int64_t channels, const std::optional<ImageSize>& size) {
  Image image = with_channels(read_image(path), channels);
  return size ? resized(std::move(image), *size) : image;
}

// Decodes when it is asked.
class FolderImages : public ExampleSource {
 public:
  FolderImages(std::vector<fs::path> files, std::int64_t channels, ImageSize size)
      : files_(std::move(files)), channels_(channels), size_(size) {}

  std::size_t count() const override { return files_.size(); }

  void read(std::span<const std::size_t> examples, std::span<float> values) const override {
    const auto per_example = static_cast<std::size_t>(channels_ * size_.height * size_.width);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      write_planes(read_one(files_[examples[i]]), values.subspan(i * per_example, per_example));
    }
  }

 private:
  Image read_one(const fs::path& file) const {
    try {
      return read_fitting(file, channels_, size_);
    } catch (const Error& error) {
      throw Error(
          fmt::format("{}: it could be decoded before, and now no more: {}", file.string(), error.what()),
          "leave the images alone while they are trained on");
    }
  }

  std::vector<fs::path> files_;
  std::int64_t channels_;
  ImageSize size_;
};

// What decoding a file once has shown.
struct Looked {
  ImageSize size;
  std::string fault;  // empty: it decodes
};

// Those that decode, and what is wrong with the others. `size` is taken from the first where nobody says it.
struct Checked {
  std::vector<ImageFile> good;
  std::vector<std::string> bad;
};

class Checker {
 public:
  Checker(const FolderSource& source, int workers)
      : source_(source), workers_(workers), size_(source.resize) {}

  Checked check(const std::vector<ImageFile>& files) {
    Checked checked;
    std::size_t next = 0;
    for_each_in_order<Looked>(
        files.size(), workers_, [&](std::size_t i) { return look(files[i].path); },
        [&](Looked&& looked) {
          const ImageFile& file = files[next++];
          if (!looked.fault.empty()) {
            checked.bad.push_back(fmt::format("{}: {}", file.path.string(), printable(looked.fault)));
          } else {
            require_size(file, looked.size);
            checked.good.push_back(file);
          }
        });
    return checked;
  }

  ImageSize size() const { return *size_; }

 private:
  static Looked look(const fs::path& path) {
    try {
      return {read_image(path).size, ""};
    } catch (const Error& error) {
      return {{}, error.what()};
    }
  }

  void require_size(const ImageFile& file, const ImageSize& size) {
    if (source_.resize) {
      return;
    }
    if (!size_) {
      size_ = size;
      first_ = file.path;
    }
    if (*size_ != size) {
      throw UsageError(
          fmt::format("{}: it is {} pixels high and {} wide, and {} {} and {}", file.path.string(),
                      size.height, size.width, first_.string(), size_->height, size_->width),
          "bring all to one size with data.resize: [HEIGHT, WIDTH]");
    }
  }

  const FolderSource& source_;
  int workers_;
  std::optional<ImageSize> size_;
  fs::path first_;
};

void require_few_bad(const FolderSource& source, const std::vector<std::string>& bad, std::size_t files) {
  constexpr std::size_t shown = 20;
  if (bad.size() <= source.skip_bad) {
    return;
  }
  const std::vector<std::string> first(
      bad.begin(), bad.begin() + static_cast<std::ptrdiff_t>(std::min(shown, bad.size())));
  throw UsageError(
      fmt::format("{}: {} of {} do not decode:\n    {}{}", source.folder.string(), bad.size(),
                  count_of(files, "file"), join(first, "\n    "), first.size() < bad.size() ? "\n    …" : ""),
      fmt::format("mend or remove them, or leave so many out with data.skip-bad: {}", bad.size()));
}

Part part_of(const std::vector<ImageFile>& files, const std::vector<std::string>& labels,
             const FolderSource& source, const ImageSize& size, const std::string& name) {
  std::map<std::string, std::int64_t> classes;
  for (const std::string& label : labels) {
    classes.emplace(label, static_cast<std::int64_t>(classes.size()));
  }
  std::vector<fs::path> paths;
  Targets targets;
  for (const ImageFile& file : files) {
    const auto found = classes.find(file.label);
    if (found == classes.end()) {
      throw UsageError(fmt::format("{}: the test part has the label '{}', which the training part has not",
                                   name, printable(file.label)));
    }
    paths.push_back(file.path);
    targets.classes.push_back(found->second);
  }
  return whole_part(std::make_shared<FolderImages>(std::move(paths), source.channels, size),
                    std::move(targets), name);
}

}  // namespace

RawData read_folder(const FolderSource& source, const ReadOptions& options) {
  Checker checker(source, options.workers);
  const std::vector<ImageFile> files = list_images(source.folder);
  const std::vector<ImageFile> test_files =
      source.test ? list_images(*source.test) : std::vector<ImageFile>{};
  Checked training = checker.check(files);
  const Checked test = checker.check(test_files);
  training.bad.insert(training.bad.end(), test.bad.begin(), test.bad.end());
  require_few_bad(source, training.bad, files.size() + test_files.size());
  if (training.good.empty()) {
    throw UsageError(fmt::format("{}: no image in it decodes", source.folder.string()));
  }

  RawData data;
  data.source = source.folder.string();
  data.shape = {source.channels, checker.size().height, checker.size().width};
  data.skipped = training.bad;
  data.range = {0.0F, 255.0F};
  data.is_decoded = true;
  for (const ImageFile& file : training.good) {
    data.labels.push_back(file.label);
  }
  sort_labels(data.labels);
  for (const std::string& label : data.labels) {
    require_utf8(label, data.source, "label");
  }
  data.all = part_of(training.good, data.labels, source, checker.size(), data.source);
  if (source.test) {
    data.test = part_of(test.good, data.labels, source, checker.size(), source.test->string());
  }
  return data;
}

}  // namespace mlpipe
