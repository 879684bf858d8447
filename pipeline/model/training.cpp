#include "pipeline/model/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::array<std::pair<const char*, Optimizer::Kind>, 4> optimizers = {{
    {"adam", Optimizer::Kind::adam},
    {"adamw", Optimizer::Kind::adamw},
    {"sgd", Optimizer::Kind::sgd},
    {"adadelta", Optimizer::Kind::adadelta},
}};

double default_learning_rate(Optimizer::Kind kind) {
  switch (kind) {
    case Optimizer::Kind::sgd:
      return 0.01;
    case Optimizer::Kind::adadelta:
      return 1;
    default:
      return 0.001;
  }
}

std::int64_t integer_or(const YamlNode* node, std::int64_t otherwise) {
  return node == nullptr ? otherwise : as_integer(*node).value_or(otherwise);
}

double number_or(const YamlNode* node, double otherwise) {
  return node == nullptr ? otherwise : as_number(*node).value_or(otherwise);
}

std::string text_or(const YamlNode* node, const std::string& otherwise) {
  return node == nullptr ? otherwise : node->scalar;
}

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

TrainingData read_data(const YamlNode& data, Diagnostics& diagnostics) {
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

Optimizer read_optimizer(const YamlNode* node) {
  Optimizer optimizer;
  if (node == nullptr) {
    return optimizer;
  }
  const std::string& name = node->is_scalar() ? node->scalar : node->entries.front().key;
  for (const auto& [word, kind] : optimizers) {
    if (name == word) {
      optimizer.kind = kind;
    }
  }
  const YamlNode* numbers = node->find(name);
  optimizer.learning_rate =
      number_or(numbers == nullptr ? nullptr : numbers->find("lr"), default_learning_rate(optimizer.kind));
  optimizer.momentum = number_or(numbers == nullptr ? nullptr : numbers->find("momentum"), 0);
  return optimizer;
}

}  // namespace

Training read_training(const YamlNode& train, Diagnostics& diagnostics) {
  const std::size_t faults = diagnostics.size();
  check_schema(training_schema(), train, diagnostics);
  if (diagnostics.size() != faults) {
    return {};
  }
  Training training;
  const YamlNode& network = *train.find("network");
  training.data = read_data(*train.find("data"), diagnostics);
  training.network = read_network(network, diagnostics);
  training.optimizer = read_optimizer(train.find("optimizer"));
  training.epochs = integer_or(train.find("epochs"), training.epochs);
  training.batch = integer_or(train.find("batch"), training.batch);
  training.seed = static_cast<std::uint64_t>(integer_or(train.find("seed"), 0));
  if (const YamlNode* threads = train.find("threads")) {
    training.threads = as_integer(*threads);
  }
  if (diagnostics.size() == faults && training.data.shape && !holds_expression(network)) {
    infer_shapes(training.network, *training.data.shape, std::nullopt, diagnostics);
  }
  return training;
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

bool holds_expression(const YamlNode& node) {
  return (node.is_scalar() && node.scalar.find("${{") != std::string::npos) ||
         std::any_of(node.items.begin(), node.items.end(), holds_expression) ||
         std::any_of(node.entries.begin(), node.entries.end(),
                     [](const YamlEntry& entry) { return holds_expression(entry.value); });
}

std::string optimizer_name(Optimizer::Kind kind) {
  for (const auto& [name, value] : optimizers) {
    if (kind == value) {
      return name;
    }
  }
  return "adam";
}

}  // namespace mlpipe
