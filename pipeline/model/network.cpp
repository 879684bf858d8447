#include "pipeline/model/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/activation_names.hpp"

namespace mlpipe {
namespace {

constexpr std::array<std::pair<const char*, Activation::Kind>, 5> activations = {{
    {"relu", Activation::Kind::relu},
    {"gelu", Activation::Kind::gelu},
    {"tanh", Activation::Kind::tanh},
    {"sigmoid", Activation::Kind::sigmoid},
    {"softmax", Activation::Kind::softmax},
}};

// Writes an operation so that reading it gives the same again.
struct OperationText {
  std::string operator()(const Convolution& layer) const {
    return fmt::format("{}: {{out: {}, kernel: {}, stride: {}, padding: {}}}",
                       layer.dimensions == 1 ? "conv1d" : "conv", layer.out, layer.kernel, layer.stride,
                       layer.padding);
  }
  std::string operator()(const Linear& layer) const {
    return layer.out == 0 ? "linear: auto" : fmt::format("linear: {}", layer.out);
  }
  std::string operator()(const Pooling& layer) const {
    return fmt::format("{}: {{kernel: {}, stride: {}}}",
                       layer.kind == Pooling::Kind::max ? "maxpool" : "avgpool", layer.kernel, layer.stride);
  }
  std::string operator()(const AdaptivePooling& layer) const {
    return fmt::format("adaptive-{}: {}", layer.kind == Pooling::Kind::max ? "maxpool" : "avgpool",
                       layer.size);
  }
  std::string operator()(const Activation& layer) const { return activation_name(layer.kind); }
  std::string operator()(const BatchNorm&) const { return "batchnorm"; }
  std::string operator()(const LayerNorm&) const { return "layernorm"; }
  std::string operator()(const Dropout& layer) const { return "dropout: " + number_text(layer.rate); }
  std::string operator()(const Embedding& layer) const {
    return fmt::format("embedding: {{count: {}, size: {}}}", layer.count, layer.size);
  }
  std::string operator()(const Flatten&) const { return "flatten"; }
  std::string operator()(const Residual& layer) const {
    std::vector<std::string> texts;
    for (const Layer& one : layer.layers) {
      texts.push_back(layer_text(one.operation));
    }
    return fmt::format("residual: [{}]", join(texts, ", "));
  }
};

double multiplications_of(const std::vector<Layer>& layers) {
  double sum = 0;
  for (const Layer& layer : layers) {
    if (const auto* residual = std::get_if<Residual>(&layer.operation)) {
      sum += multiplications_of(residual->layers);
      continue;
    }
    const bool slides = std::holds_alternative<Convolution>(layer.operation);
    const bool looks_up = std::holds_alternative<Embedding>(layer.operation);
    const double places =
        slides ? static_cast<double>(element_count(layer.output)) / static_cast<double>(layer.output.front())
               : 1;
    sum += looks_up ? 0 : static_cast<double>(layer.parameters) * places;
  }
  return sum;
}

}  // namespace

std::string activation_name(Activation::Kind kind) {
  const auto* found = std::find_if(activations.begin(), activations.end(),
                                   [&](const auto& one) { return one.second == kind; });
  return found->first;
}

std::optional<Activation::Kind> activation_named(std::string_view word) {
  for (const auto& [name, kind] : activations) {
    if (word == name) {
      return kind;
    }
  }
  return std::nullopt;
}

std::int64_t Network::parameters() const {
  std::int64_t sum = 0;
  for (const Layer& one : layers) {
    sum += one.parameters;
  }
  return sum;
}

bool Network::awaits_outputs() const {
  return std::any_of(layers.begin(), layers.end(), [](const Layer& one) {
    const auto* linear = std::get_if<Linear>(&one.operation);
    return linear != nullptr && linear->out == 0;
  });
}

std::optional<std::int64_t> Network::index_count() const {
  const auto* embedding = layers.empty() ? nullptr : std::get_if<Embedding>(&layers.front().operation);
  return embedding == nullptr ? std::nullopt : std::optional(embedding->count);
}

double Network::multiplications() const {
  return multiplications_of(layers);
}

std::string layer_text(const Operation& operation) {
  return std::visit(OperationText{}, operation);
}

std::string layer_name(const Operation& operation) {
  const std::string text = layer_text(operation);
  return text.substr(0, text.find(':'));
}

std::string network_text(const Network& network, std::size_t indent) {
  std::string text;
  for (const Layer& one : network.layers) {
    text += fmt::format("{:{}}- {}\n", "", indent, layer_text(one.operation));
  }
  return text;
}

}  // namespace mlpipe
