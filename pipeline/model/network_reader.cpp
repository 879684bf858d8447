#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/scalar.hpp"
#include "pipeline/model/activation_names.hpp"
#include "pipeline/model/network.hpp"
#include "pipeline/model/network_presets.hpp"

namespace mlpipe {
namespace {

std::int64_t integer_of(const YamlNode* node, std::int64_t otherwise) {
  return node == nullptr ? otherwise : as_integer(*node).value_or(otherwise);
}

Convolution read_convolution(int dimensions, const YamlNode& node, Diagnostics& diagnostics) {
  Convolution convolution;
  convolution.dimensions = dimensions;
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
      diagnostics.add(*padding,
                      fmt::format("padding: same needs an odd kernel, and this one is {}",
                                  dimensions == 2 ? fmt::format("{0}×{0}", convolution.kernel)
                                                  : fmt::format("{}", convolution.kernel)),
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
  if (const auto kind = activation_named(word)) {
    return Activation{*kind};
  }
  if (word == "batchnorm") {
    return BatchNorm{};
  }
  if (word == "layernorm") {
    return LayerNorm{};
  }
  return Flatten{};
}

// The lists of layers, one inside the other, with where the present one stands.
class LayersReader {
 public:
  explicit LayersReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  // Checked against the schema already.
  std::vector<Layer> read(const YamlNode& list) {
    std::vector<Layer> layers;
    for (const YamlNode& item : list.items) {
      layers.push_back({read_operation(item), item.mark, {}, {}, 0});
    }
    return layers;
  }

 private:
  Operation read_operation(const YamlNode& node) {
    if (node.is_scalar()) {
      return read_word(node.scalar);
    }
    const std::string& word = node.entries.front().key;
    const YamlNode& value = node.entries.front().value;
    if (word == "conv" || word == "conv1d") {
      return read_convolution(word == "conv" ? 2 : 1, value, diagnostics_);
    }
    if (word == "linear") {
      return Linear{integer_of(&value, 0)};
    }
    if (word == "maxpool" || word == "avgpool") {
      return read_pooling(word == "maxpool" ? Pooling::Kind::max : Pooling::Kind::average, value);
    }
    if (word == "adaptive-maxpool" || word == "adaptive-avgpool") {
      return AdaptivePooling{word == "adaptive-maxpool" ? Pooling::Kind::max : Pooling::Kind::average,
                             integer_of(&value, 1)};
    }
    if (word == "embedding") {
      return Embedding{integer_of(value.find("count"), 0), integer_of(value.find("size"), 0)};
    }
    if (word == "residual") {
      return read_residual(value);
    }
    return Dropout{as_number(value).value_or(0)};
  }

  Residual read_residual(const YamlNode& list) {
    const std::size_t faults = diagnostics_.size();
    check_schema(layers_schema(), list, diagnostics_);
    if (diagnostics_.size() != faults) {
      return {};
    }
    if (list.items.empty()) {
      diagnostics_.add(list, "this residual has no layer", "write the layers whose output is added");
    }
    return {read(list)};
  }

  Diagnostics& diagnostics_;
};

bool learns(const std::vector<Layer>& layers) {
  return std::any_of(layers.begin(), layers.end(), [](const Layer& one) {
    const auto* residual = std::get_if<Residual>(&one.operation);
    return std::holds_alternative<Convolution>(one.operation) ||
           std::holds_alternative<Linear>(one.operation) ||
           std::holds_alternative<Embedding>(one.operation) ||
           (residual != nullptr && learns(residual->layers));
  });
}

// `auto` stands at the end, where at most a softmax or sigmoid follows, and an embedding at the front. What
// is inside a residual is neither. `list` is what the layers were read from.
void check_places(const std::vector<Layer>& layers, const YamlNode& list, bool outermost,
                  Diagnostics& diagnostics) {
  const auto* end = layers.empty() ? nullptr : std::get_if<Activation>(&layers.back().operation);
  const bool ends_with_scores =
      end != nullptr && (end->kind == Activation::Kind::softmax || end->kind == Activation::Kind::sigmoid);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const YamlNode& item = list.items[i];
    const YamlNode* outputs = item.find("linear");
    const bool last = outermost && i + (ends_with_scores ? 2 : 1) == layers.size();
    if (outputs != nullptr && outputs->scalar == "auto" && !last) {
      diagnostics.add(layers[i].mark,
                      fmt::format("layer {} (linear): `auto` stands for the number of outputs that the task "
                                  "takes, so it can only be the last layer",
                                  i + 1),
                      "write the number of outputs here");
    }
    if (item.find("embedding") != nullptr && !(outermost && i == 0)) {
      diagnostics.add(
          layers[i].mark,
          fmt::format("layer {} (embedding): it takes the data's whole numbers, so it can only be "
                      "the first layer",
                      i + 1));
    }
    if (const auto* residual = std::get_if<Residual>(&layers[i].operation)) {
      check_places(residual->layers, *item.find("residual"), false, diagnostics);
    }
  }
}

void mark_all(std::vector<Layer>& layers, Mark mark) {
  for (Layer& layer : layers) {
    layer.mark = mark;
    if (auto* residual = std::get_if<Residual>(&layer.operation)) {
      mark_all(residual->layers, mark);
    }
  }
}

Network read_preset(const YamlNode& node) {
  Network network;
  for (const NetworkPreset& preset : network_presets()) {
    if (node.scalar == preset.name) {
      const YamlDocument document = parse_yaml(preset.name, preset.layers);
      Diagnostics diagnostics(document);
      network = read_network(document.root, diagnostics);
      diagnostics.throw_if_any();
      network.preset = preset.name;
      mark_all(network.layers, node.mark);
    }
  }
  return network;
}

}  // namespace

Network read_network(const YamlNode& node, Diagnostics& diagnostics) {
  const std::size_t faults = diagnostics.size();
  check_schema(network_schema(), node, diagnostics);
  if (diagnostics.size() != faults) {
    return {};
  }
  if (node.is_scalar()) {
    return read_preset(node);
  }
  constexpr const char* smallest = "the smallest one is [flatten, linear: auto]";
  Network network;
  network.layers = LayersReader(diagnostics).read(node);
  if (diagnostics.size() != faults) {
    return network;
  }
  if (node.items.empty()) {
    diagnostics.add(node, "the network has no layer", smallest);
  } else if (!learns(network.layers)) {
    diagnostics.add(node, "no layer of this network has weights, so it cannot learn", smallest);
  }
  check_places(network.layers, node, true, diagnostics);
  return network;
}

}  // namespace mlpipe
