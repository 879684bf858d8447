#include "pipeline/model/model.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t newest_format = 1;
constexpr double most_values = 1U << 28U;

constexpr std::array<std::pair<const char*, Preprocessing::Kind>, 3> kinds = {{
    {"none", Preprocessing::Kind::none},
    {"standardize", Preprocessing::Kind::standardize},
    {"minmax", Preprocessing::Kind::minmax},
}};

const Schema& model_schema() {
  using namespace schema;
  static const Schema range =
      keys("smallest and largest value", {required("least", number("")), required("most", number(""))});
  static const Schema model = keys(
      "a model",
      {required("mlpipe-model", integer("the format of this file", 1)),
       required("name", text("the model's name")), required("task", text("what it does", {"classification"})),
       required("input", keys("what it takes", {required("name", text("the input's name")),
                                                required("shape", list("of one example",
                                                                       integer("a size", 1, most_values)))})),
       optional("columns", list("of a table",
                                keys("a column", {required("name", text("")), required("least", number("")),
                                                  required("most", number(""))}))),
       optional("pixels", range), required("labels", list("in the order of the scores", text(""))),
       required("preprocessing",
                keys("the scaling",
                     {required("scale", text("", {"none", "standardize", "minmax"})),
                      optional("offset", list("", number(""))), optional("divisor", list("", number("")))})),
       required("network", network_schema()),
       required("weights", keys("", {required("sha256", text("of weights.safetensors"))}))});
  return model;
}

float number_of(const YamlNode& parent, std::string_view key) {
  return static_cast<float>(as_number(*parent.find(key)).value_or(0));
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

Preprocessing read_preprocessing(const YamlNode& node, std::size_t values, Diagnostics& diagnostics) {
  Preprocessing preprocessing;
  for (const auto& [word, kind] : kinds) {
    if (node.find("scale")->scalar == word) {
      preprocessing.kind = kind;
    }
  }
  preprocessing.offset = numbers_of(node.find("offset"));
  preprocessing.divisor = numbers_of(node.find("divisor"));
  const std::size_t count = preprocessing.offset.size();
  const bool fits =
      preprocessing.kind == Preprocessing::Kind::none ? count == 0 : count == 1 || count == values;
  if (!fits || preprocessing.divisor.size() != count) {
    diagnostics.add(
        node, fmt::format("the scaling has {} offsets and {} divisors, and an example has {} values", count,
                          preprocessing.divisor.size(), values));
  }
  for (const float divisor : preprocessing.divisor) {
    if (divisor == 0) {
      diagnostics.add(node, "a divisor is zero");
    }
  }
  return preprocessing;
}

std::vector<Column> read_columns(const YamlNode* list) {
  std::vector<Column> columns;
  if (list != nullptr) {
    for (const YamlNode& item : list->items) {
      columns.push_back({item.find("name")->scalar, number_of(item, "least"), number_of(item, "most")});
    }
  }
  return columns;
}

std::vector<std::string> read_labels(const YamlNode& list, Diagnostics& diagnostics) {
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (const YamlNode& item : list.items) {
    if (!seen.insert(item.scalar).second) {
      diagnostics.add(item, fmt::format("the label '{}' is here twice", printable(item.scalar)));
    }
    labels.push_back(item.scalar);
  }
  if (labels.empty()) {
    diagnostics.add(list, "a model has at least one label");
  }
  return labels;
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

std::string model_text(const Model& model) {
  std::string text =
      fmt::format("mlpipe-model: {}\nname: {}\ntask: {}\ninput: {{name: {}, shape: {}}}\n", newest_format,
                  quoted(model.name), model.task, quoted(model.input_name), shape_text(model.input_shape));
  if (model.columns.empty()) {
    text +=
        fmt::format("pixels: {{least: {}, most: {}}}\n", number_text(model.least), number_text(model.most));
  } else {
    text += "columns:\n";
    for (const Column& column : model.columns) {
      text += fmt::format("  - {{name: {}, least: {}, most: {}}}\n", quoted(column.name),
                          number_text(column.least), number_text(column.most));
    }
  }
  text += "labels:\n";
  for (const std::string& label : model.labels) {
    text += fmt::format("  - {}\n", quoted(label));
  }
  text += preprocessing_text(model.preprocessing);
  text += "network:\n" + network_text(model.network, 2);
  text += fmt::format("weights: {{sha256: {}}}\n", model.weights.hex());
  return text;
}

}  // namespace

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
  model.name = root.find("name")->scalar;
  model.task = root.find("task")->scalar;
  model.input_name = root.find("input")->find("name")->scalar;
  const YamlNode& shape = *root.find("input")->find("shape");
  for (const YamlNode& size : shape.items) {
    model.input_shape.push_back(as_integer(size).value_or(0));
  }
  if (model.input_shape.empty() || static_cast<double>(model.values()) > most_values) {
    diagnostics.add(shape, fmt::format("{} is no shape of an example", shape_text(model.input_shape)));
    diagnostics.throw_if_any();
  }
  model.columns = read_columns(root.find("columns"));
  if (!model.columns.empty() && model.columns.size() != model.values()) {
    diagnostics.add(*root.find("columns"), fmt::format("there are {} columns, and an example has {} values",
                                                       model.columns.size(), model.values()));
  }
  if (const YamlNode* pixels = root.find("pixels")) {
    model.least = number_of(*pixels, "least");
    model.most = number_of(*pixels, "most");
  }
  model.labels = read_labels(*root.find("labels"), diagnostics);
  model.preprocessing = read_preprocessing(*root.find("preprocessing"), model.values(), diagnostics);
  model.network = read_network(*root.find("network"), diagnostics);
  if (!model.network.layers.empty()) {
    infer_shapes(model.network, model.input_shape, static_cast<std::int64_t>(model.labels.size()),
                 diagnostics);
  }
  const YamlNode& sha256 = *root.find("weights")->find("sha256");
  if (Digest::is_hex(sha256.scalar)) {
    model.weights = Digest::from_hex(sha256.scalar);
  } else {
    diagnostics.add(sha256, "this is no SHA-256, 64 hexadecimal digits");
  }
  diagnostics.throw_if_any();
  return model;
}

void write_model(const Model& model, const std::filesystem::path& directory) {
  write_file_atomically(directory / model_file, model_text(model));
}

}  // namespace mlpipe
