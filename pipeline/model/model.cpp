#include "pipeline/model/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/yaml_values.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t newest_format = 1;
constexpr std::size_t most_values = std::size_t{1} << 28U;

constexpr std::array<std::pair<const char*, Preprocessing::Kind>, 3> kinds = {{
    {"none", Preprocessing::Kind::none},
    {"standardize", Preprocessing::Kind::standardize},
    {"minmax", Preprocessing::Kind::minmax},
}};

float number_of(const YamlNode& parent, std::string_view key) {
  const YamlNode* node = parent.find(key);
  return node == nullptr ? 0 : static_cast<float>(as_number(*node).value_or(0));
}

std::vector<float> numbers_of(const YamlNode* list) {
  std::vector<float> numbers;
  if (list != nullptr) {
    for (const YamlNode& item : list->items) {
      numbers.push_back(static_cast<float>(as_number(item).value_or(0)));
    }
  }
  return numbers;
}

void refuse_zeros(const YamlNode& node, const std::vector<float>& divisors, Diagnostics& diagnostics) {
  if (std::find(divisors.begin(), divisors.end(), 0.0F) != divisors.end()) {
    diagnostics.add(node, "a divisor is zero");
  }
}

// `model` has its shape, columns and network.
Preprocessing read_preprocessing(const YamlNode& node, const Model& model, Diagnostics& diagnostics) {
  Preprocessing preprocessing;
  for (const auto& [word, kind] : kinds) {
    if (node.find("scale")->scalar == word) {
      preprocessing.kind = kind;
    }
  }
  preprocessing.offset = numbers_of(node.find("offset"));
  preprocessing.divisor = numbers_of(node.find("divisor"));
  if (!model.network.index_count()) {
    preprocessing.categories = category_counts(model.columns);
  } else if (preprocessing.kind != Preprocessing::Kind::none) {
    diagnostics.add(node, "the network begins with an embedding, which takes numbers as they are");
  }
  const std::size_t values = preprocessing.encoded_values(model.values());
  const std::size_t count = preprocessing.offset.size();
  const bool for_channels =
      model.input_shape.size() == 3 && count == static_cast<std::size_t>(model.input_shape[0]);
  const bool fits = preprocessing.kind == Preprocessing::Kind::none
                        ? count == 0
                        : count == 1 || count == values || for_channels;
  if (!fits || preprocessing.divisor.size() != count) {
    diagnostics.add(
        node, fmt::format("the scaling has {} offsets and {} divisors, and an example has {} values", count,
                          preprocessing.divisor.size(), values));
  }
  refuse_zeros(node, preprocessing.divisor, diagnostics);
  return preprocessing;
}

void read_weights(const YamlNode& root, Model& model, Diagnostics& diagnostics) {
  const YamlNode& weights = *root.find("weights");
  if (const YamlNode* file = weights.find("file")) {
    model.weights_name = file->scalar;
    if (file->scalar.empty() || file->scalar.front() == '.' || file->scalar.find('/') != std::string::npos) {
      diagnostics.add(*file, fmt::format("'{}' is not the name of a file in the model's folder",
                                         printable(file->scalar)));
    }
  }
  if (const YamlNode* sha256 = weights.find("sha256")) {
    if (Digest::is_hex(sha256->scalar)) {
      model.weights = Digest::from_hex(sha256->scalar);
    } else {
      diagnostics.add(*sha256, "this is no SHA-256, 64 hexadecimal digits");
    }
  }
  const YamlNode* written = root.find("format");
  const auto format = written != nullptr ? format_named(written->scalar) : format_of_file(model.weights_name);
  if (!format) {
    diagnostics.add(
        weights, fmt::format("the name '{}' does not say what the file holds", printable(model.weights_name)),
        fmt::format("add `format:` with one of {}", join(format_names(), ", ")));
  }
  model.format = format.value_or(WeightsFormat::safetensors);
  const YamlNode* network = root.find("network");
  const bool needs_network = model.format == WeightsFormat::safetensors;
  if (format && needs_network && network == nullptr) {
    diagnostics.add(weights, "safetensors hold tensors only: the network is missing",
                    "add `network:` with the layers, as in network: [linear: auto]");
  } else if (!needs_network && network != nullptr) {
    diagnostics.add(*network, fmt::format("the network is in {} already", printable(model.weights_name)),
                    "leave it out here");
  }
}

TargetScale read_target(const YamlNode* node, const Model& model, Diagnostics& diagnostics) {
  if (node == nullptr) {
    return {};
  }
  TargetScale target{numbers_of(node->find("offset")), numbers_of(node->find("divisor"))};
  if (model.task != Task::regression) {
    diagnostics.add(*node, "only a regression scales its targets");
  } else if (target.offset.size() != model.labels.size() || target.divisor.size() != model.labels.size()) {
    diagnostics.add(*node, fmt::format("there are {} offsets and {} divisors for {} targets",
                                       target.offset.size(), target.divisor.size(), model.labels.size()));
  }
  refuse_zeros(*node, target.divisor, diagnostics);
  return target;
}

std::vector<std::string> read_names(const YamlNode& list, const char* what, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const YamlNode& item : list.items) {
    if (!seen.insert(item.scalar).second) {
      diagnostics.add(item, fmt::format("the {} '{}' is here twice", what, printable(item.scalar)));
    }
    names.push_back(item.scalar);
  }
  if (names.empty()) {
    diagnostics.add(list, fmt::format("there is no {}", what));
  }
  return names;
}

// It says again what the labels say, for readers that know nothing of tasks.
void check_output(const YamlNode* output, const Model& model, Diagnostics& diagnostics) {
  const auto shape_of = [](const YamlNode& list) {
    Shape shape;
    for (const YamlNode& size : list.items) {
      shape.push_back(as_integer(size).value_or(0));
    }
    return shape;
  };
  if (output != nullptr && shape_of(*output->find("shape")) != model.output_shape()) {
    diagnostics.add(
        *output,
        fmt::format("the output has the shape {}, and an answer has one value for each of "
                    "{}",
                    shape_text(shape_of(*output->find("shape"))), count_of(model.labels.size(), "label")));
  }
}

std::vector<Column> read_columns(const YamlNode* list, Diagnostics& diagnostics) {
  std::vector<Column> columns;
  if (list == nullptr) {
    return columns;
  }
  for (const YamlNode& item : list->items) {
    Column column{item.find("name")->scalar, number_of(item, "least"), number_of(item, "most")};
    const bool has_range = item.find("least") != nullptr && item.find("most") != nullptr;
    if (const YamlNode* categories = item.find("categories")) {
      column.categories = read_names(*categories, "category", diagnostics);
      column.most = static_cast<float>(column.categories.size()) - 1;
    } else if (!has_range) {
      diagnostics.add(item, "a column has least and most, or categories");
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

// The version is looked at before anything else: what a newer format holds is not a fault.
void check_version(const YamlDocument& document, Diagnostics& diagnostics) {
  const YamlNode* version = document.root.find("mlpipe-model");
  if (version == nullptr) {
    diagnostics.add(document.root, "this is not a model of mlpipe: it has no key 'mlpipe-model'",
                    "model.yaml is written by mlpipe-train; docs say what it holds");
  } else if (as_integer(*version).value_or(0) > newest_format) {
    diagnostics.add(*version,
                    fmt::format("the model is of format {}, and this mlpipe reads up to {}",
                                printable(version->scalar), newest_format),
                    "use a newer mlpipe");
  }
  diagnostics.throw_if_any();
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string number_list(const std::vector<float>& numbers) {
  std::vector<std::string> texts;
  for (const float number : numbers) {
    texts.push_back(number_text(number));
  }
  return fmt::format("[{}]", join(texts, ", "));
}

std::string preprocessing_text(const Preprocessing& preprocessing) {
  std::string text = "preprocessing:\n";
  for (const auto& [word, kind] : kinds) {
    if (preprocessing.kind == kind) {
      text += fmt::format("  scale: {}\n", word);
    }
  }
  if (preprocessing.kind != Preprocessing::Kind::none) {
    text += fmt::format("  offset: {}\n  divisor: {}\n", number_list(preprocessing.offset),
                        number_list(preprocessing.divisor));
  }
  return text;
}

std::string values_text(const Column& column) {
  if (column.categories.empty()) {
    return fmt::format("least: {}, most: {}", number_text(column.least), number_text(column.most));
  }
  std::vector<std::string> categories;
  for (const std::string& category : column.categories) {
    categories.push_back(quoted(category));
  }
  return fmt::format("categories: [{}]", join(categories, ", "));
}

// What is usual is left out.
std::string weights_text(const Model& model) {
  std::vector<std::string> entries;
  if (model.weights_name != weights_file) {
    entries.push_back("file: " + quoted(model.weights_name));
  }
  if (!model.weights.is_zero()) {
    entries.push_back("sha256: " + model.weights.hex());
  }
  const bool named_so = format_of_file(model.weights_name) == model.format;
  return fmt::format("{}weights: {{{}}}\n",
                     named_so ? "" : fmt::format("format: {}\n", format_name(model.format)),
                     join(entries, ", "));
}

std::string model_text(const Model& model) {
  std::string text = fmt::format(
      "mlpipe-model: {}\nname: {}\ntask: {}\ninput: {{name: {}, dtype: FP32, shape: {}}}\n"
      "output: {{name: scores, dtype: FP32, shape: {}}}\n",
      newest_format, quoted(model.name), task_name(model.task), quoted(model.input_name),
      shape_text(model.input_shape), shape_text(model.output_shape()));
  if (model.columns.empty()) {
    text +=
        fmt::format("pixels: {{least: {}, most: {}}}\n", number_text(model.least), number_text(model.most));
  } else {
    text += "columns:\n";
    for (const Column& column : model.columns) {
      text += fmt::format("  - {{name: {}, {}}}\n", quoted(column.name), values_text(column));
    }
  }
  text += "labels:\n";
  for (const std::string& label : model.labels) {
    text += fmt::format("  - {}\n", quoted(label));
  }
  if (!model.target.offset.empty()) {
    text += fmt::format("target: {{offset: {}, divisor: {}}}\n", number_list(model.target.offset),
                        number_list(model.target.divisor));
  }
  text += preprocessing_text(model.preprocessing);
  if (!model.network.layers.empty()) {
    text += "network:\n" + network_text(model.network, 2);
  }
  return text + weights_text(model);
}

}  // namespace

float Column::category(std::string_view text) const {
  const auto found = std::find(categories.begin(), categories.end(), text);
  return found == categories.end() ? -1 : static_cast<float>(found - categories.begin());
}

Shape Model::network_input() const {
  return preprocessing.categories.empty() ? input_shape : Shape{static_cast<std::int64_t>(encoded_values())};
}

std::vector<std::size_t> category_counts(const std::vector<Column>& columns) {
  std::vector<std::size_t> counts;
  bool any = false;
  for (const Column& column : columns) {
    counts.push_back(column.categories.size());
    any = any || !column.categories.empty();
  }
  return any ? counts : std::vector<std::size_t>{};
}

Model read_model(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) {
    throw UsageError(fmt::format("{}: there is no such folder", directory.string()),
                     "name the folder that mlpipe-train wrote");
  }
  const YamlDocument document = read_yaml_file(directory / model_file);
  Diagnostics diagnostics(document);
  check_version(document, diagnostics);
  check_schema(model_schema(), document.root, diagnostics);
  diagnostics.throw_if_any();

  const YamlNode& root = document.root;
  Model model;
  model.name = text_or(root.find("name"), nameless_model);
  model.task = task_named(root.find("task")->scalar).value_or(Task::classification);
  model.input_name = text_or(root.find("input")->find("name"), model.input_name);
  const YamlNode& shape = *root.find("input")->find("shape");
  for (const YamlNode& size : shape.items) {
    model.input_shape.push_back(as_integer(size).value_or(0));
  }
  if (model.input_shape.empty() || model.values() > most_values) {
    diagnostics.add(shape, fmt::format("{} is no shape of an example", shape_text(model.input_shape)));
    diagnostics.throw_if_any();
  }
  model.columns = read_columns(root.find("columns"), diagnostics);
  if (!model.columns.empty() && model.columns.size() != model.values()) {
    diagnostics.add(*root.find("columns"), fmt::format("there are {} columns, and an example has {} values",
                                                       model.columns.size(), model.values()));
  }
  if (const YamlNode* pixels = root.find("pixels")) {
    model.least = number_of(*pixels, "least");
    model.most = number_of(*pixels, "most");
  }
  model.labels = read_names(*root.find("labels"), "label", diagnostics);
  check_output(root.find("output"), model, diagnostics);
  if (model.task == Task::binary && model.labels.size() != 2) {
    diagnostics.add(*root.find("labels"),
                    fmt::format("a binary model has two labels, and this has {}", model.labels.size()));
  }
  model.target = read_target(root.find("target"), model, diagnostics);
  read_weights(root, model, diagnostics);
  if (const YamlNode* network = root.find("network")) {
    model.network = read_network(*network, diagnostics);
  }
  if (const YamlNode* preprocessing = root.find("preprocessing")) {
    model.preprocessing = read_preprocessing(*preprocessing, model, diagnostics);
  } else if (!model.network.index_count()) {
    model.preprocessing.categories = category_counts(model.columns);
  }
  if (!model.network.layers.empty()) {
    infer_shapes(model.network, model.network_input(), static_cast<std::int64_t>(model.labels.size()),
                 diagnostics, model.task);
  }
  diagnostics.throw_if_any();
  return model;
}

void write_model(const Model& model, const std::filesystem::path& directory) {
  write_file_atomically(directory / model_file, model_text(model));
}

}  // namespace mlpipe
