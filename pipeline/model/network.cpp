#include "pipeline/model/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/scalar.hpp"

namespace mlpipe {
namespace {

constexpr double most_outputs = 1'000'000;
constexpr double largest_kernel = 1024;
constexpr double highest_rate = 0.99;

constexpr std::array<std::pair<const char*, Activation::Kind>, 5> activations = {{
    {"relu", Activation::Kind::relu},
    {"gelu", Activation::Kind::gelu},
    {"tanh", Activation::Kind::tanh},
    {"sigmoid", Activation::Kind::sigmoid},
    {"softmax", Activation::Kind::softmax},
}};

Schema window(std::string meaning) {
  return schema::either(
      std::move(meaning),
      {schema::integer("the width and height of the window, which also moves by as much", 1, largest_kernel),
       schema::keys("the window",
                    {schema::required("kernel", schema::integer("width and height", 1, largest_kernel)),
                     schema::optional("stride", schema::integer("how far it moves; as far as it is wide when "
                                                                "not given",
                                                                1, largest_kernel))})});
}

Schema convolution() {
  using namespace schema;
  return either(
      "a two-dimensional convolution; takes [channels, height, width]",
      {integer("the number of output channels, with a 3×3 kernel", 1, most_outputs),
       keys("the convolution",
            {required("out", integer("the number of output channels", 1, most_outputs)),
             optional("kernel",
                      integer("width and height of the kernel, 3 when not given", 1, largest_kernel)),
             optional("stride", integer("how far it moves, 1 when not given", 1, largest_kernel)),
             optional(
                 "padding",
                 either("what surrounds the image: `valid` nothing (when not given), `same` as much as keeps "
                        "its size at stride 1, or a number of zeros on each side",
                        {text("by word", {"same", "valid"}), integer("zeros", 0, largest_kernel)}))})});
}

Schema layer() {
  using namespace schema;
  return either(
      "one layer",
      {text("a layer that needs no number",
            {"relu", "gelu", "tanh", "sigmoid", "softmax", "batchnorm", "flatten"}),
       one_of_keys(
           "a layer with its numbers",
           {optional("conv", convolution()),
            optional("linear", either("every value with every other",
                                      {integer("the number of outputs", 1, most_outputs),
                                       text("as many outputs as there are classes; only as the last layer",
                                            {"auto"})})),
            optional("maxpool", window("the largest value in each window")),
            optional("avgpool", window("the mean of each window")),
            optional("dropout", number("the share of values that training sets to zero", 0, highest_rate)),
            later("conv1d", "a one-dimensional convolution"), later("layernorm", "normalises each example"),
            later("embedding", "a vector for each number"),
            later("adaptive-avgpool", "the mean, to a given size"),
            later("adaptive-maxpool", "the largest value, to a given size"),
            later("residual", "layers whose input is added to their output")},
           "layer")});
}

std::int64_t integer_of(const YamlNode* node, std::int64_t otherwise) {
  return node == nullptr ? otherwise : as_integer(*node).value_or(otherwise);
}

Convolution read_convolution(const YamlNode& node, Diagnostics& diagnostics) {
  Convolution convolution;
  if (node.is_scalar()) {
    convolution.out = integer_of(&node, 0);
    return convolution;
  }
  convolution.out = integer_of(node.find("out"), 0);
  convolution.kernel = integer_of(node.find("kernel"), convolution.kernel);
  convolution.stride = integer_of(node.find("stride"), convolution.stride);
  const YamlNode* padding = node.find("padding");
  if (padding != nullptr && padding->scalar == "same") {
    if (convolution.kernel % 2 == 0) {
      diagnostics.add(
          *padding,
          fmt::format("padding: same needs an odd kernel, and this one is {0}×{0}", convolution.kernel),
          "take an odd kernel, or write the padding as a number");
    }
    convolution.padding = (convolution.kernel - 1) / 2;
  } else {
    convolution.padding = integer_of(padding, 0);
  }
  return convolution;
}

Pooling read_pooling(Pooling::Kind kind, const YamlNode& node) {
  const YamlNode* kernel = node.is_scalar() ? &node : node.find("kernel");
  Pooling pooling;
  pooling.kind = kind;
  pooling.kernel = integer_of(kernel, pooling.kernel);
  pooling.stride = integer_of(node.find("stride"), pooling.kernel);
  return pooling;
}

Operation read_word(const std::string& word) {
  for (const auto& [name, kind] : activations) {
    if (word == name) {
      return Activation{kind};
    }
  }
  if (word == "batchnorm") {
    return BatchNorm{};
  }
  return Flatten{};
}

Operation read_operation(const YamlNode& node, Diagnostics& diagnostics) {
  if (node.is_scalar()) {
    return read_word(node.scalar);
  }
  const YamlEntry& entry = node.entries.front();
  if (entry.key == "conv") {
    return read_convolution(entry.value, diagnostics);
  }
  if (entry.key == "linear") {
    return Linear{integer_of(&entry.value, 0)};
  }
  if (entry.key == "maxpool") {
    return read_pooling(Pooling::Kind::max, entry.value);
  }
  if (entry.key == "avgpool") {
    return read_pooling(Pooling::Kind::average, entry.value);
  }
  return Dropout{as_number(entry.value).value_or(0)};
}

// Writes an operation so that reading it gives the same again.
struct OperationText {
  std::string operator()(const Convolution& layer) const {
    return fmt::format("conv: {{out: {}, kernel: {}, stride: {}, padding: {}}}", layer.out, layer.kernel,
                       layer.stride, layer.padding);
  }
  std::string operator()(const Linear& layer) const {
    return layer.out == 0 ? "linear: auto" : fmt::format("linear: {}", layer.out);
  }
  std::string operator()(const Pooling& layer) const {
    return fmt::format("{}: {{kernel: {}, stride: {}}}",
                       layer.kind == Pooling::Kind::max ? "maxpool" : "avgpool", layer.kernel, layer.stride);
  }
  std::string operator()(const Activation& layer) const {
    for (const auto& [name, kind] : activations) {
      if (layer.kind == kind) {
        return name;
      }
    }
    return "relu";
  }
  std::string operator()(const BatchNorm&) const { return "batchnorm"; }
  std::string operator()(const Dropout& layer) const { return "dropout: " + number_text(layer.rate); }
  std::string operator()(const Flatten&) const { return "flatten"; }
};

}  // namespace

std::int64_t Network::parameters() const {
  std::int64_t sum = 0;
  for (const Layer& one : layers) {
    sum += one.parameters;
  }
  return sum;
}

bool Network::ends_with_softmax() const {
  if (layers.empty()) {
    return false;
  }
  const auto* last = std::get_if<Activation>(&layers.back().operation);
  return last != nullptr && last->kind == Activation::Kind::softmax;
}

bool Network::awaits_classes() const {
  for (const Layer& one : layers) {
    const auto* linear = std::get_if<Linear>(&one.operation);
    if (linear != nullptr && linear->out == 0) {
      return true;
    }
  }
  return false;
}

std::string layer_name(const Operation& operation) {
  const std::string text = std::visit(OperationText{}, operation);
  return text.substr(0, text.find(':'));
}

const Schema& network_schema() {
  static const Schema schema = schema::list("the layers, from the data to the scores", layer());
  return schema;
}

Network read_network(const YamlNode& list, Diagnostics& diagnostics) {
  Network network;
  const std::size_t faults = diagnostics.size();
  check_schema(network_schema(), list, diagnostics);
  if (diagnostics.size() != faults) {
    return network;
  }
  if (list.items.empty()) {
    diagnostics.add(list, "the network has no layer", "the smallest one is [flatten, linear: auto]");
  }
  for (const YamlNode& item : list.items) {
    network.layers.push_back({read_operation(item, diagnostics), item.mark, {}, {}, 0});
  }
  const bool learns = std::any_of(network.layers.begin(), network.layers.end(), [](const Layer& one) {
    return std::holds_alternative<Convolution>(one.operation) ||
           std::holds_alternative<Linear>(one.operation);
  });
  if (!list.items.empty() && !learns) {
    diagnostics.add(list, "no layer of this network has weights, so it cannot learn",
                    "the smallest network is [flatten, linear: auto]");
  }
  const std::size_t last = network.layers.size() - (network.ends_with_softmax() ? 2 : 1);
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const YamlNode* outputs = list.items[i].find("linear");
    if (outputs != nullptr && outputs->scalar == "auto" && i != last) {
      diagnostics.add(
          network.layers[i].mark,
          fmt::format("layer {} (linear): `auto` stands for the number of classes, so it can only be "
                      "the last layer",
                      i + 1),
          "write the number of outputs here");
    }
  }
  return network;
}

std::string network_text(const Network& network, std::size_t indent) {
  std::string text;
  for (const Layer& one : network.layers) {
    text += fmt::format("{:{}}- {}\n", "", indent, std::visit(OperationText{}, one.operation));
  }
  return text;
}

}  // namespace mlpipe
