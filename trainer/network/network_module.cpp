#include "trainer/network/network_module.hpp"

#include <fmt/format.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <algorithm>
#include <map>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

namespace nn = torch::nn;

// Appends one layer's module; Sequential numbers them as they come.
class Appender {
 public:
  Appender(nn::Sequential& module, const Layer& layer) : module_(module), layer_(layer) {}

  void operator()(const Convolution& convolution) {
    append(nn::Conv2d(nn::Conv2dOptions(layer_.input.front(), convolution.out, convolution.kernel)
                          .stride(convolution.stride)
                          .padding(convolution.padding)));
  }
  void operator()(const Linear& linear) { append(nn::Linear(layer_.input.front(), linear.out)); }
  void operator()(const Pooling& pooling) {
    if (pooling.kind == Pooling::Kind::max) {
      append(nn::MaxPool2d(nn::MaxPool2dOptions(pooling.kernel).stride(pooling.stride)));
    } else {
      append(nn::AvgPool2d(nn::AvgPool2dOptions(pooling.kernel).stride(pooling.stride)));
    }
  }
  void operator()(const Activation& activation) {
    switch (activation.kind) {
      case Activation::Kind::relu:
        return append(nn::ReLU());
      case Activation::Kind::gelu:
        return append(nn::GELU());
      case Activation::Kind::tanh:
        return append(nn::Tanh());
      case Activation::Kind::sigmoid:
        return append(nn::Sigmoid());
      case Activation::Kind::softmax:
        return append(nn::Softmax(nn::SoftmaxOptions(1)));
    }
  }
  void operator()(const BatchNorm&) {
    if (layer_.input.size() == 3) {
      append(nn::BatchNorm2d(layer_.input.front()));
    } else {
      append(nn::BatchNorm1d(layer_.input.front()));
    }
  }
  void operator()(const Dropout& dropout) { append(nn::Dropout(nn::DropoutOptions(dropout.rate))); }
  void operator()(const Flatten&) { append(nn::Flatten()); }

 private:
  template <typename Module>
  void append(const Module& module) {
    module_->push_back(module);
  }

  nn::Sequential& module_;
  const Layer& layer_;
};

// Parameters and running statistics layer by layer, without batchnorm's count of batches, which nothing
// reads.
std::vector<std::pair<std::string, torch::Tensor>> tensors_of(nn::Sequential& module) {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  for (const auto& child : module->named_children()) {
    for (const auto& item : child.value()->named_parameters()) {
      tensors.emplace_back(child.key() + "." + item.key(), item.value());
    }
    for (const auto& item : child.value()->named_buffers()) {
      if (item.value().is_floating_point()) {
        tensors.emplace_back(child.key() + "." + item.key(), item.value());
      }
    }
  }
  return tensors;
}

}  // namespace

nn::Sequential build_module(const Network& network) {
  nn::Sequential module;
  const std::size_t count = network.layers.size() - (network.ends_with_softmax() ? 1 : 0);
  for (std::size_t i = 0; i < count; ++i) {
    const Layer& layer = network.layers[i];
    std::visit(Appender(module, layer), layer.operation);
  }
  return module;
}

bool works_on_images(const Network& network) {
  return std::any_of(network.layers.begin(), network.layers.end(), [](const Layer& layer) {
    return std::holds_alternative<Convolution>(layer.operation) ||
           std::holds_alternative<Pooling>(layer.operation);
  });
}

void use_channels_last(nn::Sequential& module) {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : module->parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
    }
  }
}

std::vector<NamedTensor> weights_of(nn::Sequential& module) {
  std::vector<NamedTensor> weights;
  for (const auto& [name, tensor] : tensors_of(module)) {
    const torch::Tensor plain = tensor.detach().cpu().contiguous();
    const auto* values = plain.const_data_ptr<float>();
    weights.push_back({name, plain.sizes().vec(), std::vector<float>(values, values + plain.numel())});
  }
  return weights;
}

void load_weights(nn::Sequential& module, const std::vector<NamedTensor>& weights, const std::string& file) {
  const torch::NoGradGuard no_grad;
  std::map<std::string, const NamedTensor*> by_name;
  for (const NamedTensor& weight : weights) {
    by_name[weight.name] = &weight;
  }
  for (auto& [name, tensor] : tensors_of(module)) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      throw Error(fmt::format("{}: the network's tensor '{}' is not in it", file, name),
                  "model.yaml and the weights belong together: write both again");
    }
    const NamedTensor& weight = *found->second;
    if (tensor.sizes().vec() != weight.shape) {
      throw Error(fmt::format("{}: tensor '{}' has the shape {}, and the network needs {}", file, name,
                              shape_text(weight.shape), shape_text(tensor.sizes().vec())),
                  "model.yaml and the weights belong together: write both again");
    }
    tensor.copy_(torch::from_blob(const_cast<float*>(weight.values.data()), weight.shape, torch::kFloat32));
    by_name.erase(found);
  }
  if (!by_name.empty()) {
    throw Error(fmt::format("{}: the network has no tensor '{}'", file, printable(by_name.begin()->first)),
                "model.yaml and the weights belong together: write both again");
  }
}

}  // namespace mlpipe
