#include "pipeline/model/linear_c.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// The index of the only layer with weights.
std::size_t linear_layer_of(const Model& model) {
  constexpr const char* hint = "only a single linear layer, with or without flatten before it, becomes C";
  if (model.task == Task::regression) {
    throw UsageError("the model is a regression, and predict in C chooses among labels",
                     "only classification, binary and svm models become C");
  }
  const std::vector<Layer>& layers = model.network.layers;
  if (layers.empty()) {
    throw UsageError("the model's network is not in its model.yaml", hint);
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool last = i + 1 == layers.size();
    const bool fits = last ? std::holds_alternative<Linear>(layers[i].operation)
                           : std::holds_alternative<Flatten>(layers[i].operation);
    if (!fits) {
      throw UsageError(
          fmt::format("the model is not linear: layer {} is {}", i + 1, layer_name(layers[i].operation)),
          hint);
    }
  }
  return layers.size() - 1;
}

const NamedTensor& tensor_of(const std::vector<NamedTensor>& weights, const std::string& name,
                             const Shape& shape) {
  for (const NamedTensor& weight : weights) {
    if (weight.name == name && weight.shape == shape) {
      return weight;
    }
  }
  throw Error(fmt::format("the weights hold no '{}' of shape {}", name, shape_text(shape)),
              "model.yaml and the weights belong together: write both again");
}

// A float that C reads back as the same value.
std::string literal(float value) {
  const std::string text = number_text(value);
  const bool whole = text.find_first_of(".e") == std::string::npos;
  return text + (whole ? ".0f" : "f");
}

std::string numbers(std::span<const float> values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    constexpr std::size_t on_a_line = 8;
    text += i == 0 ? "" : i % on_a_line == 0 ? ",\n   " : ", ";
    text += literal(values[i]);
  }
  return text;
}

// "{1.0f, 2.0f},\n    {3.0f, 4.0f}"
std::string rows_of(const NamedTensor& matrix) {
  const auto width = static_cast<std::size_t>(matrix.shape[1]);
  std::vector<std::string> rows;
  for (std::size_t at = 0; at < matrix.values.size(); at += width) {
    rows.push_back("{" + numbers(std::span(matrix.values).subspan(at, width)) + "}");
  }
  return join(rows, ",\n    ");
}

std::string c_string(std::string_view text) {
  std::string result = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool plain = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\' && byte != '?';
    result += plain ? std::string(1, character) : fmt::format("\\{:03o}", byte);
  }
  return result + "\"";
}

// In a comment nothing may end it.
std::string in_comment(const std::string& text) {
  std::string result = printable(text);
  std::replace(result.begin(), result.end(), '*', '?');
  return result;
}

std::string list_of_inputs(const Model& model) {
  std::string text;
  for (std::size_t i = 0; i < model.columns.size(); ++i) {
    const Column& column = model.columns[i];
    text += fmt::format("\n   x[{}]: {}", i, in_comment(column.name));
    for (std::size_t category = 0; category < column.categories.size(); ++category) {
      text += fmt::format("{}{} {}", category == 0 ? ": " : ", ", category,
                          in_comment(column.categories[category]));
    }
  }
  return text;
}

std::string encoding_text(const Model& model) {
  const std::vector<std::size_t>& categories = model.preprocessing.categories;
  if (categories.empty()) {
    return fmt::format("  for (int i = 0; i < {}; ++i) v[i] = x[i];\n", model.values());
  }
  return fmt::format(
      "  static const int categories[{0}] = {{{1}}};\n"
      "  int at = 0;\n"
      "  for (int i = 0; i < {0}; ++i) {{\n"
      "    if (categories[i] == 0) v[at++] = x[i];\n"
      "    for (int c = 0; c < categories[i]; ++c) v[at++] = x[i] == (float)c ? 1.0f : 0.0f;\n"
      "  }}\n",
      model.values(), fmt::join(categories, ", "));
}

std::string scaling_text(const Preprocessing& preprocessing, std::size_t values) {
  if (preprocessing.kind == Preprocessing::Kind::none) {
    return "";
  }
  const std::size_t count = preprocessing.offset.size();
  return fmt::format(
      "  static const float offset[{0}] = {{\n    {1}}};\n"
      "  static const float divisor[{0}] = {{\n    {2}}};\n"
      "  for (int i = 0; i < {3}; ++i) v[i] = (v[i] - offset[i / {4}]) / divisor[i / {4}];\n",
      count, numbers(preprocessing.offset), numbers(preprocessing.divisor), values, values / count);
}

}  // namespace

std::string linear_model_as_c(const Model& model, const std::vector<NamedTensor>& weights) {
  const std::size_t layer = linear_layer_of(model);
  const std::int64_t outputs = model.network.output().front();
  const auto values = static_cast<std::int64_t>(model.encoded_values());
  const NamedTensor& weight = tensor_of(weights, fmt::format("{}.weight", layer), {outputs, values});
  const NamedTensor& bias = tensor_of(weights, fmt::format("{}.bias", layer), {outputs});
  std::vector<std::string> labels;
  for (const std::string& label : model.labels) {
    labels.push_back(c_string(label));
  }
  const char* choice = model.task == Task::binary ? "    if (sum > 0) best = 1;\n"
                                                  : "    if (i == 0 || sum > most) {\n"
                                                    "      most = sum;\n"
                                                    "      best = i;\n"
                                                    "    }\n";
  return fmt::format(
      "/* {0}, a linear model ({1}), written by mlpipe.\n"
      "   predict takes one example in the data's own units and returns an index into labels.{2} */\n"
      "const char *const labels[{3}] = {{{4}}};\n\n"
      "int predict(const float x[{5}]) {{\n"
      "  static const float weight[{6}][{7}] = {{\n    {8}}};\n"
      "  static const float bias[{6}] = {{\n    {9}}};\n"
      "  float v[{7}];\n{10}{11}"
      "  int best = 0;\n{12}"
      "  for (int i = 0; i < {6}; ++i) {{\n"
      "    double sum = bias[i];\n"
      "    for (int n = 0; n < {7}; ++n) sum += (double)weight[i][n] * v[n];\n"
      "{13}  }}\n"
      "  return best;\n}}\n",
      in_comment(model.name), task_name(model.task), list_of_inputs(model), labels.size(), join(labels, ", "),
      model.values(), outputs, values, rows_of(weight), numbers(bias.values), encoding_text(model),
      scaling_text(model.preprocessing, model.encoded_values()),
      model.task == Task::binary ? "" : "  double most = 0;\n", choice);
}

}  // namespace mlpipe
