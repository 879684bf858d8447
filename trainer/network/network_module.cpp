#include "trainer/network/network_module.hpp"

#include <ATen/autocast_mode.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/pooling.h>

#include <algorithm>
#include <optional>

#include "trainer/network/dropout.hpp"
#include "trainer/network/weight_table.hpp"

namespace mlpipe {
namespace {

namespace nn = torch::nn;

void append_layers(nn::SequentialImpl& module, const std::vector<Layer>& layers);

// Adds what its layers make of the input to the input. A chain itself, so that their tensors are named as in
// a subclass of PyTorch's nn.Sequential: "3.0.weight".
class ResidualModule : public nn::SequentialImpl {
 public:
  torch::Tensor forward(const torch::Tensor& input) { return input + SequentialImpl::forward(input); }
};

// FP32 [batch, length] of whole numbers → [batch, size, length]: channels first, as every other layer has
// them.
class EmbeddingModule : public nn::EmbeddingImpl {
 public:
  using EmbeddingImpl::EmbeddingImpl;
  torch::Tensor forward(const torch::Tensor& input) {
    return EmbeddingImpl::forward(input.to(torch::kInt64)).transpose(1, 2);
  }
};

class DropoutModule : public nn::Cloneable<DropoutModule> {
 public:
  explicit DropoutModule(double rate) : rate_(rate) {}
  void reset() override {}
  torch::Tensor forward(const torch::Tensor& input) { return is_training() ? dropout(input, rate_) : input; }

 private:
  double rate_;
};

// Lets libtorch compute in bf16 on a device while it lives.
class Autocast {
 public:
  explicit Autocast(at::DeviceType device) : device_(device) {
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::set_autocast_enabled(device_, true);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;
  ~Autocast() {
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }

 private:
  at::DeviceType device_;
};

// Appends one layer's module; Sequential numbers them as they come.
class Appender {
 public:
  Appender(nn::SequentialImpl& module, const Layer& layer) : module_(module), layer_(layer) {}

  void operator()(const Convolution& convolution) {
    if (convolution.dimensions == 1) {
      append(nn::Conv1d(nn::Conv1dOptions(layer_.input.front(), convolution.out, convolution.kernel)
                            .stride(convolution.stride)
                            .padding(convolution.padding)));
    } else {
      append(nn::Conv2d(nn::Conv2dOptions(layer_.input.front(), convolution.out, convolution.kernel)
                            .stride(convolution.stride)
                            .padding(convolution.padding)));
    }
  }
  void operator()(const Linear& linear) { append(nn::Linear(layer_.input.front(), linear.out)); }
  void operator()(const Pooling& pooling) {
    const bool max = pooling.kind == Pooling::Kind::max;
    if (is_sequence() && max) {
      append(nn::MaxPool1d(nn::MaxPool1dOptions(pooling.kernel).stride(pooling.stride)));
    } else if (is_sequence()) {
      append(nn::AvgPool1d(nn::AvgPool1dOptions(pooling.kernel).stride(pooling.stride)));
    } else if (max) {
      append(nn::MaxPool2d(nn::MaxPool2dOptions(pooling.kernel).stride(pooling.stride)));
    } else {
      append(nn::AvgPool2d(nn::AvgPool2dOptions(pooling.kernel).stride(pooling.stride)));
    }
  }
  void operator()(const AdaptivePooling& pooling) {
    const bool max = pooling.kind == Pooling::Kind::max;
    if (is_sequence() && max) {
      append(nn::AdaptiveMaxPool1d(pooling.size));
    } else if (is_sequence()) {
      append(nn::AdaptiveAvgPool1d(pooling.size));
    } else if (max) {
      append(nn::AdaptiveMaxPool2d(nn::AdaptiveMaxPool2dOptions({pooling.size, pooling.size})));
    } else {
      append(nn::AdaptiveAvgPool2d(nn::AdaptiveAvgPool2dOptions({pooling.size, pooling.size})));
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
  void operator()(const LayerNorm&) { append(nn::LayerNorm(nn::LayerNormOptions(layer_.input))); }
  void operator()(const Dropout& layer) { append(std::make_shared<DropoutModule>(layer.rate)); }
  void operator()(const Embedding& embedding) {
    module_.push_back(
        std::make_shared<EmbeddingModule>(nn::EmbeddingOptions(embedding.count, embedding.size)));
  }
  void operator()(const Flatten&) { append(nn::Flatten()); }
  void operator()(const Residual& residual) {
    const auto inner = std::make_shared<ResidualModule>();
    append_layers(*inner, residual.layers);
    module_.push_back(inner);
  }

 private:
  bool is_sequence() const { return layer_.input.size() == 2; }

  template <typename Module>
  void append(const Module& module) {
    module_.push_back(module);
  }

  nn::SequentialImpl& module_;
  const Layer& layer_;
};

void append_layers(nn::SequentialImpl& module, const std::vector<Layer>& layers) {
  for (const Layer& layer : layers) {
    std::visit(Appender(module, layer), layer.operation);
  }
}

// Parameters and running statistics layer by layer, without batchnorm's count of batches, which nothing
// reads.
std::vector<std::pair<std::string, torch::Tensor>> tensors_of(const nn::Sequential& module) {
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

bool convolves_images(const std::vector<Layer>& layers) {
  return std::any_of(layers.begin(), layers.end(), [](const Layer& layer) {
    const auto* residual = std::get_if<Residual>(&layer.operation);
    const bool slides = std::holds_alternative<Convolution>(layer.operation) ||
                        std::holds_alternative<Pooling>(layer.operation) ||
                        std::holds_alternative<AdaptivePooling>(layer.operation);
    return (slides && layer.input.size() == 3) || (residual != nullptr && convolves_images(residual->layers));
  });
}

}  // namespace

bool works_on_images(const Network& network) {
  return convolves_images(network.layers);
}

struct NetworkModule::Layers {
  nn::Sequential chain;
  at::DeviceType device = at::kCPU;
  bool bf16 = false;
};

NetworkModule::NetworkModule(const Network& network) : layers_(std::make_unique<Layers>()) {
  append_layers(*layers_->chain, network.layers);
}

NetworkModule::NetworkModule(NetworkModule&&) noexcept = default;
NetworkModule& NetworkModule::operator=(NetworkModule&&) noexcept = default;
NetworkModule::~NetworkModule() = default;

at::Tensor NetworkModule::forward(const at::Tensor& batch) {
  std::optional<Autocast> autocast;
  if (layers_->bf16) {
    autocast.emplace(layers_->device);
  }
  return layers_->chain->forward(batch);
}

void NetworkModule::train() {
  layers_->chain->train();
}

void NetworkModule::evaluate() {
  layers_->chain->eval();
}

void NetworkModule::move_to(at::Device device) {
  layers_->chain->to(device);
  layers_->device = device.type();
}

void NetworkModule::compute_in_bf16() {
  layers_->bf16 = true;
}

std::vector<at::Tensor> NetworkModule::parameters() const {
  return layers_->chain->parameters();
}

std::vector<at::Tensor> NetworkModule::buffers() const {
  return layers_->chain->buffers();
}

void NetworkModule::use_channels_last() {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : layers_->chain->parameters()) {
    if (parameter.dim() == 4) {
      // Not contiguous(): with one input channel both formats are the same bytes, and libtorch goes by the
      // strides.
      parameter.set_data(parameter.to(parameter.options(), /*non_blocking=*/false, /*copy=*/true,
                                      torch::MemoryFormat::ChannelsLast));
    }
  }
}

std::vector<NamedTensor> NetworkModule::weights() const {
  std::vector<NamedTensor> weights;
  for (const auto& [name, tensor] : tensors_of(layers_->chain)) {
    const torch::Tensor plain = tensor.detach().cpu().contiguous();
    const auto* values = plain.const_data_ptr<float>();
    weights.push_back({name, plain.sizes().vec(), std::vector<float>(values, values + plain.numel())});
  }
  return weights;
}

void NetworkModule::load(const std::vector<NamedTensor>& weights, const std::string& file) {
  const torch::NoGradGuard no_grad;
  WeightTable table(weights, file);
  for (auto& [name, tensor] : tensors_of(layers_->chain)) {
    tensor.copy_(table.take(name, tensor.sizes().vec()));
  }
  table.require_all_taken();
}

}  // namespace mlpipe
