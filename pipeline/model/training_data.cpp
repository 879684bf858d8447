#include "pipeline/model/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {
namespace {

CsvSource read_csv_source(const YamlNode& data, const YamlNode& csv, Diagnostics& diagnostics) {
  const YamlNode* target = data.find("target");
  if (target == nullptr) {
    diagnostics.add(data, "the key 'target' is missing", "target names the CSV column that holds the label");
  }
  return {csv.scalar, text_or(target, "")};
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
  if (split != nullptr && files.find("test-images") != nullptr) {
    diagnostics.add(*split, "the data has a test part of its own, so nothing is split off",
                    "take out split, or test-images and test-labels");
  }
}

IdxSource read_idx_source(const YamlNode& data, const YamlNode& idx, Diagnostics& diagnostics) {
  require_both(idx, diagnostics);
  refuse_split(data, idx, diagnostics);
  IdxSource source{text_or(idx.find("images"), ""), text_or(idx.find("labels"), ""), {}, {}};
  if (const YamlNode* images = idx.find("test-images")) {
    source.test_images = images->scalar;
  }
  if (const YamlNode* labels = idx.find("test-labels")) {
    source.test_labels = labels->scalar;
  }
  return source;
}

NpzSource read_npz_source(const YamlNode& data, const YamlNode& npz, Diagnostics& diagnostics) {
  NpzSource source;
  if (npz.is_scalar()) {
    source.file = npz.scalar;
    return source;
  }
  require_both(npz, diagnostics);
  refuse_split(data, npz, diagnostics);
  source.file = text_or(npz.find("file"), "");
  source.images = text_or(npz.find("images"), source.images);
  source.labels = text_or(npz.find("labels"), source.labels);
  source.test_required = npz.find("test-images") != nullptr;
  source.test_images = text_or(npz.find("test-images"), source.test_images);
  source.test_labels = text_or(npz.find("test-labels"), source.test_labels);
  return source;
}

DataSource read_source(const YamlNode& data, Diagnostics& diagnostics) {
  constexpr std::array<const char*, 3> kinds = {"csv", "idx", "npz"};
  const auto count =
      std::count_if(kinds.begin(), kinds.end(), [&](const char* kind) { return data.find(kind) != nullptr; });
  if (count != 1) {
    diagnostics.add(data, fmt::format("data comes from exactly one of csv, idx and npz, and this names {}",
                                      count == 0 ? "none" : "several"));
    return {};
  }
  const YamlNode* target = data.find("target");
  if (target != nullptr && data.find("csv") == nullptr) {
    diagnostics.add(*target, "target names a column of a CSV file, and this data is none",
                    "take it out: the labels are in an array or file of their own");
  }
  if (const YamlNode* csv = data.find("csv")) {
    return read_csv_source(data, *csv, diagnostics);
  }
  if (const YamlNode* idx = data.find("idx")) {
    return read_idx_source(data, *idx, diagnostics);
  }
  return read_npz_source(data, *data.find("npz"), diagnostics);
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

}  // namespace

TrainingData read_training_data(const YamlNode& data, Task, Diagnostics& diagnostics) {
  TrainingData result;
  if (data.is_scalar()) {
    NpzSource source;
    source.file = data.scalar;
    if (!holds_expression(data) && source.file.extension() != ".npz") {
      diagnostics.add(
          data, fmt::format("'{}' is no .npz file, so more must be said about it", printable(data.scalar)),
          "write, for example, data: { csv: FILE, target: COLUMN }");
    }
    result.source = source;
    return result;
  }
  result.source = read_source(data, diagnostics);
  if (const YamlNode* shape = data.find("shape")) {
    result.shape = read_shape(*shape, diagnostics);
  }
  if (const YamlNode* split = data.find("split")) {
    result.split = Split{number_or(split->find("test"), Split{}.test),
                         static_cast<std::uint64_t>(integer_or(split->find("seed"), 0))};
  }
  result.scale = read_scale(data.find("scale"));
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
  take(data->find("csv"));
  if (const YamlNode* idx = data->find("idx")) {
    for (const char* key : {"images", "labels", "test-images", "test-labels"}) {
      take(idx->find(key));
    }
  }
  if (const YamlNode* npz = data->find("npz")) {
    take(npz);
    take(npz->find("file"));
  }
  return files;
}

}  // namespace mlpipe
