#include "pipeline/model/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "pipeline/base/quantity.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {
namespace {

constexpr std::array<const char*, 5> sources = {"csv", "idx", "npz", "safetensors", "folder"};

// Keys that say something about one kind of data, and what to do where there is another.
struct OwnKey {
  const char* key;
  const char* source;
  const char* hint;
};
constexpr std::array<OwnKey, 7> own_keys = {{
    {"target", "csv", "take it out: the labels are in an array, a file or folders of their own"},
    {"drop", "csv", "take it out: it names columns of a CSV file"},
    {"categorical", "csv", "take it out: it names columns of a CSV file"},
    {"missing", "csv", "take it out: arrays and images have no empty fields"},
    {"resize", "folder", "take it out: the images of an array are of one size"},
    {"channels", "folder", "take it out: an array has the channels that it has"},
    {"skip-bad", "folder", "take it out: an array is decoded as a whole"},
}};

std::vector<std::string> texts_of(const YamlNode* node) {
  std::vector<std::string> texts;
  if (node != nullptr && node->is_scalar()) {
    texts.push_back(node->scalar);
  } else if (node != nullptr) {
    for (const YamlNode& item : node->items) {
      texts.push_back(item.scalar);
    }
  }
  return texts;
}

std::optional<std::filesystem::path> path_of(const YamlNode* node) {
  return node == nullptr ? std::nullopt : std::optional<std::filesystem::path>(node->scalar);
}

// A column can have one part only.
void refuse_twice(const YamlNode& data, Diagnostics& diagnostics) {
  std::set<std::string> seen;
  const YamlNode* split = data.find("split");
  for (const YamlNode* list : {data.find("target"), data.find("drop"), data.find("categorical"),
                               split == nullptr ? nullptr : split->find("by")}) {
    for (const std::string& column : texts_of(list)) {
      if (!holds_expression(*list) && !seen.insert(column).second) {
        diagnostics.add(*list, fmt::format("the column '{}' is named twice", printable(column)));
      }
    }
  }
}

std::vector<std::string> read_targets(const YamlNode& data, Task task, Diagnostics& diagnostics) {
  const YamlNode* target = data.find("target");
  if (target == nullptr) {
    diagnostics.add(data, "the key 'target' is missing",
                    task == Task::regression ? "target names the CSV columns that are to be predicted"
                                             : "target names the CSV column that holds the label");
    return {};
  }
  std::vector<std::string> targets = texts_of(target);
  if (targets.empty()) {
    diagnostics.add(*target, "target names no column");
  } else if (targets.size() > 1 && task != Task::regression) {
    diagnostics.add(
        *target,
        fmt::format("{} is about one label, and target names {} columns", task_name(task), targets.size()),
        "name one column, or write task: regression");
  }
  return targets;
}

MissingValues read_missing(const YamlNode* missing) {
  if (missing == nullptr || holds_expression(*missing)) {
    return MissingValues::refuse;
  }
  return missing->scalar == "mean"   ? MissingValues::mean
         : missing->scalar == "zero" ? MissingValues::zero
                                     : MissingValues::drop;
}

CsvSource read_csv_source(const YamlNode& data, const YamlNode& csv, Task task, Diagnostics& diagnostics) {
  CsvSource source;
  source.file = text_or(csv.is_scalar() ? &csv : csv.find("train"), "");
  source.test = path_of(csv.find("test"));
  source.targets = read_targets(data, task, diagnostics);
  source.categorical = texts_of(data.find("categorical"));
  source.drop = texts_of(data.find("drop"));
  source.missing = read_missing(data.find("missing"));
  refuse_twice(data, diagnostics);
  return source;
}

// Held-out examples are useless without their labels, and the other way round.
void require_both(const YamlNode& files, Diagnostics& diagnostics) {
  const YamlNode* images = files.find("test-images");
  const YamlNode* labels = files.find("test-labels");
  if ((images == nullptr) != (labels == nullptr)) {
    diagnostics.add(images == nullptr ? *labels : *images, "test-images and test-labels belong together",
                    images == nullptr ? "add test-images" : "add test-labels");
  }
}

void refuse_split(const YamlNode& data, const YamlNode& files, Diagnostics& diagnostics) {
  const YamlNode* split = data.find("split");
  if (split == nullptr) {
    return;
  }
  for (const char* test : {"test-images", "test"}) {
    if (files.find(test) != nullptr) {
      diagnostics.add(*split, "the data has a test part of its own, so nothing is split off",
                      fmt::format("take out split, or {}", test));
    }
  }
}

IdxSource read_idx_source(const YamlNode& idx, Diagnostics& diagnostics) {
  require_both(idx, diagnostics);
  return {text_or(idx.find("images"), ""), text_or(idx.find("labels"), ""), path_of(idx.find("test-images")),
          path_of(idx.find("test-labels"))};
}

NamedArrays read_named_arrays(const YamlNode& arrays, Diagnostics& diagnostics) {
  NamedArrays source;
  if (arrays.is_scalar()) {
    source.file = arrays.scalar;
    return source;
  }
  require_both(arrays, diagnostics);
  source.file = text_or(arrays.find("file"), "");
  source.images = text_or(arrays.find("images"), source.images);
  source.labels = text_or(arrays.find("labels"), source.labels);
  source.test_required = arrays.find("test-images") != nullptr;
  source.test_images = text_or(arrays.find("test-images"), source.test_images);
  source.test_labels = text_or(arrays.find("test-labels"), source.test_labels);
  return source;
}

FolderSource read_folder_source(const YamlNode& data, const YamlNode& folder, Task task,
                                Diagnostics& diagnostics) {
  if (task == Task::regression) {
    diagnostics.add(folder, "the folder of an image is its label, and regression predicts numbers",
                    "take out task: regression, or bring the images as arrays");
  }
  FolderSource source;
  source.folder = text_or(folder.is_scalar() ? &folder : folder.find("train"), "");
  source.test = path_of(folder.find("test"));
  if (const YamlNode* resize = data.find("resize"); resize != nullptr && !holds_expression(*resize)) {
    if (resize->items.size() != 2) {
      diagnostics.add(*resize, "resize takes two sizes, [height, width]");
    } else {
      source.resize = {integer_or(&resize->items[0], 0), integer_or(&resize->items[1], 0)};
    }
  }
  source.channels = integer_or(data.find("channels"), source.channels);
  source.skip_bad = static_cast<std::size_t>(integer_or(data.find("skip-bad"), 0));
  return source;
}

DataSource read_source(const YamlNode& data, Task task, Diagnostics& diagnostics) {
  const auto named = [&](const char* kind) { return data.find(kind) != nullptr; };
  const auto count = std::count_if(sources.begin(), sources.end(), named);
  if (count != 1) {
    diagnostics.add(data, fmt::format("data comes from exactly one of csv, idx, npz, safetensors and folder, "
                                      "and this names {}",
                                      count == 0 ? "none" : "several"));
    return {};
  }
  const char* kind = *std::find_if(sources.begin(), sources.end(), named);
  for (const OwnKey& own : own_keys) {
    if (const YamlNode* node = data.find(own.key); node != nullptr && std::string_view(kind) != own.source) {
      diagnostics.add(
          *node, fmt::format("{} is for data from {}, and this comes from {}", own.key, own.source, kind),
          own.hint);
    }
  }
  const YamlNode& files = *data.find(kind);
  refuse_split(data, files, diagnostics);
  if (named("csv")) {
    return read_csv_source(data, files, task, diagnostics);
  }
  if (named("idx")) {
    return read_idx_source(files, diagnostics);
  }
  if (named("folder")) {
    return read_folder_source(data, files, task, diagnostics);
  }
  const NamedArrays arrays = read_named_arrays(files, diagnostics);
  return named("npz") ? DataSource(NpzSource{arrays}) : DataSource(SafetensorsSource{arrays});
}

std::optional<Shape> read_shape(const YamlNode& list, Diagnostics& diagnostics) {
  constexpr std::size_t most_values = std::size_t{1} << 28U;
  if (holds_expression(list)) {
    return std::nullopt;
  }
  Shape shape;
  for (const YamlNode& size : list.items) {
    shape.push_back(integer_or(&size, 0));
  }
  if (shape.size() != 1 && shape.size() != 3) {
    diagnostics.add(list, fmt::format("a shape is [values] or [channels, height, width], and this is {}",
                                      shape_text(shape)));
  } else if (element_count(shape) > most_values) {
    diagnostics.add(
        list, fmt::format("an example of shape {} is more than {} values", shape_text(shape), most_values));
  }
  return shape;
}

std::optional<Preprocessing::Kind> read_scale(const YamlNode* scale) {
  if (scale == nullptr || holds_expression(*scale)) {
    return std::nullopt;
  }
  if (scale->scalar == "standardize") {
    return Preprocessing::Kind::standardize;
  }
  return scale->scalar == "minmax" ? Preprocessing::Kind::minmax : Preprocessing::Kind::none;
}

bool boolean_or(const YamlNode* node, bool otherwise) {
  return node == nullptr ? otherwise : as_boolean(*node).value_or(otherwise);
}

Split read_split(const YamlNode& data, const YamlNode& split, Task task, Diagnostics& diagnostics) {
  Split result;
  result.test = number_or(split.find("test"), result.test);
  result.seed = static_cast<std::uint64_t>(integer_or(split.find("seed"), 0));
  result.stratify = boolean_or(split.find("stratify"), true);
  result.by = text_or(split.find("by"), "");
  if (const YamlNode* stratify = split.find("stratify");
      task == Task::regression && stratify != nullptr && result.stratify) {
    diagnostics.add(*stratify, "a regression has no labels to keep the shares of", "take out stratify");
  }
  if (const YamlNode* by = split.find("by")) {
    if (data.find("csv") == nullptr) {
      diagnostics.add(*by, "by names a column of a CSV file, and this data is none");
    }
    if (split.entries.size() > 1) {
      diagnostics.add(*by, "the column says which examples are held out, so nothing else can",
                      "take out by, or the other keys of split");
    }
  }
  return result;
}

std::optional<Augmentation> read_augment(const YamlNode* augment, Diagnostics& diagnostics) {
  if (augment == nullptr) {
    return std::nullopt;
  }
  const std::string flip = text_or(augment->find("flip"), "");
  if (augment->entries.empty()) {
    diagnostics.add(*augment, "augment says neither flip nor crop");
  }
  return Augmentation{flip == "horizontal" || flip == "both", flip == "vertical" || flip == "both",
                      integer_or(augment->find("crop"), 0)};
}

std::optional<std::uint64_t> read_memory(const YamlNode* memory, Diagnostics& diagnostics) {
  if (memory == nullptr || holds_expression(*memory)) {
    return std::nullopt;
  }
  const auto bytes = parse_bytes(memory->scalar);
  if (!bytes) {
    diagnostics.add(*memory, fmt::format("'{}' is no amount of memory", printable(memory->scalar)),
                    "write bytes, or 512Mi, 4Gi, 2G");
  }
  return bytes;
}

DataSource read_file(const YamlNode& data, Diagnostics& diagnostics) {
  NamedArrays arrays;
  arrays.file = data.scalar;
  const std::filesystem::path extension = arrays.file.extension();
  if (extension == ".safetensors") {
    return SafetensorsSource{arrays};
  }
  if (!holds_expression(data) && extension != ".npz") {
    diagnostics.add(data,
                    fmt::format("'{}' is no .npz or .safetensors file, so more must be said about it",
                                printable(data.scalar)),
                    "write, for example, data: { csv: FILE, target: COLUMN }");
  }
  return NpzSource{arrays};
}

}  // namespace

TrainingData read_training_data(const YamlNode& data, Task task, Diagnostics& diagnostics) {
  TrainingData result;
  if (data.is_scalar()) {
    result.source = read_file(data, diagnostics);
    return result;
  }
  result.source = read_source(data, task, diagnostics);
  if (const YamlNode* shape = data.find("shape")) {
    result.shape = read_shape(*shape, diagnostics);
  }
  if (const YamlNode* split = data.find("split")) {
    result.split = read_split(data, *split, task, diagnostics);
  }
  result.scale = read_scale(data.find("scale"));
  result.per_channel = boolean_or(data.find("per-channel"), false);
  result.augment = read_augment(data.find("augment"), diagnostics);
  if (const YamlNode* workers = data.find("workers")) {
    result.workers = as_integer(*workers);
  }
  result.memory = read_memory(data.find("memory"), diagnostics);
  return result;
}

std::vector<const YamlNode*> data_file_nodes(const YamlNode& train) {
  std::vector<const YamlNode*> files;
  const auto take = [&](const YamlNode* node) {
    if (node != nullptr && node->is_scalar() && !node->is_null()) {
      files.push_back(node);
    }
  };
  const YamlNode* data = train.find("data");
  if (data == nullptr) {
    return files;
  }
  take(data);
  for (const char* kind : {"csv", "folder", "npz", "safetensors"}) {
    if (const YamlNode* source = data->find(kind)) {
      take(source);
      for (const char* key : {"train", "test", "file"}) {
        take(source->find(key));
      }
    }
  }
  if (const YamlNode* idx = data->find("idx")) {
    for (const char* key : {"images", "labels", "test-images", "test-labels"}) {
      take(idx->find(key));
    }
  }
  return files;
}

}  // namespace mlpipe
