#include "trainer/network/inference_network.hpp"

#include <ATen/ops/adaptive_avg_pool1d.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/adaptive_max_pool1d.h>
#include <ATen/ops/adaptive_max_pool2d.h>
#include <ATen/ops/avg_pool1d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/max_pool1d.h>
#include <ATen/ops/max_pool2d.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "trainer/network/network_module.hpp"
#include "trainer/network/weight_table.hpp"

namespace mlpipe {
namespace {

constexpr double epsilon = 1e-5;  // PyTorch's, for both norms

using Steps = std::vector<InferenceStep>;

at::Tensor run(const Steps& steps, at::Tensor values) {
  for (const InferenceStep& step : steps) {
    values = step(values);
  }
  return values;
}

// What has weights and is linear, so that a batchnorm behind it can be made a part of it.
struct Affine {
  at::Tensor weight;  // [out, …]
  at::Tensor bias;    // [out]
};

struct Normalization {
  at::Tensor weight, bias, mean, variance;
};

Affine folded(const Affine& layer, const Normalization& norm) {
  const auto exact = [](const at::Tensor& tensor) { return tensor.to(at::kDouble); };
  const at::Tensor scale = exact(norm.weight).div(exact(norm.variance).add(epsilon).sqrt());
  Shape along_outputs(static_cast<std::size_t>(layer.weight.dim()), 1);
  along_outputs.front() = -1;
  return {exact(layer.weight).mul(scale.view(along_outputs)).to(at::kFloat),
          exact(layer.bias).sub(exact(norm.mean)).mul(scale).add(exact(norm.bias)).to(at::kFloat)};
}

at::Tensor activated(const at::Tensor& values, Activation::Kind kind) {
  switch (kind) {
    case Activation::Kind::relu:
      return values.relu();
    case Activation::Kind::gelu:
      return at::gelu(values);
    case Activation::Kind::tanh:
      return values.tanh();
    case Activation::Kind::sigmoid:
      return values.sigmoid();
    case Activation::Kind::softmax:
      break;
  }
  return values.softmax(1);
}

// [n, c, h, w] in plain memory → the same in channels-last, with the strides that libtorch knows it by, which
// contiguous() leaves as they are for one channel.
at::Tensor channels_last(const at::Tensor& images) {
  if (images.size(1) == 1) {
    return images.view({images.size(0), images.size(2), images.size(3), 1}).permute({0, 3, 1, 2});
  }
  return images.contiguous(at::MemoryFormat::ChannelsLast);
}

// Values of an image as they lie in channels-last memory: height, width, channel.
at::Tensor flattened_as_it_lies(const at::Tensor& images) {
  return images.permute({0, 2, 3, 1}).reshape({images.size(0), -1});
}

// The weights of a linear layer that takes values of an image in that order.
at::Tensor for_values_as_they_lie(const at::Tensor& weight, const Shape& image) {
  return weight.view({weight.size(0), image[0], image[1], image[2]})
      .permute({0, 2, 3, 1})
      .reshape({weight.size(0), -1});
}

// Turns layers into steps.
class Builder {
 public:
  // images_at_once: of those that come in channels-last memory; 0 where none do.
  Builder(WeightTable& weights, std::int64_t images_at_once)
      : weights_(weights), images_at_once_(images_at_once) {}

  // Each layer of a chain whose tensors' names begin with `prefix`, in turn; `end_layer` is told after which
  // layer the steps were added.
  template <typename EndLayer>
  void add(const std::vector<Layer>& layers, const std::string& prefix, EndLayer&& end_layer) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layers_ = &layers;
      place_ = i;
      prefix_ = prefix;
      std::visit(*this, layers[i].operation);
      i = place_;  // a layer may have taken up those behind it
      end_layer(layers[i]);
    }
  }

  Steps take_steps() { return std::exchange(steps_, {}); }

  void operator()(const Convolution& convolution) {
    const Layer& layer = current();
    Shape shape = {convolution.out, layer.input.front(), convolution.kernel};
    if (convolution.dimensions == 2) {
      shape.push_back(convolution.kernel);
    }
    const Affine affine = with_batchnorm({take("weight", shape), take("bias", {convolution.out})});
    if (convolution.dimensions == 2) {
      const bool relu = take_relu();
      return push(
          packed_convolution(affine.weight, affine.bias, convolution, layer.input, images_at_once_, relu));
    }
    push([convolution, weight = affine.weight.clone(), bias = affine.bias.clone()](const at::Tensor& values) {
      return at::conv1d(values, weight, bias, convolution.stride, convolution.padding);
    });
  }
  void operator()(const Linear& linear) {
    Affine affine =
        with_batchnorm({take("weight", {linear.out, current().input.front()}), take("bias", {linear.out})});
    if (!image_as_it_lies_.empty()) {
      affine.weight = for_values_as_they_lie(affine.weight, std::exchange(image_as_it_lies_, {}));
    }
    const bool relu = take_relu();
    push(packed_linear(affine.weight, affine.bias, relu));
  }
  void operator()(const Pooling& pooling) {
    const bool max = pooling.kind == Pooling::Kind::max;
    const bool sequence = current().input.size() == 2;
    push([=](const at::Tensor& values) {
      if (sequence) {
        return max ? at::max_pool1d(values, pooling.kernel, pooling.stride)
                   : at::avg_pool1d(values, pooling.kernel, pooling.stride);
      }
      const std::array<std::int64_t, 2> kernel = {pooling.kernel, pooling.kernel};
      const std::array<std::int64_t, 2> stride = {pooling.stride, pooling.stride};
      return max ? at::max_pool2d(values, kernel, stride) : at::avg_pool2d(values, kernel, stride);
    });
  }
  void operator()(const AdaptivePooling& pooling) {
    const bool max = pooling.kind == Pooling::Kind::max;
    const bool sequence = current().input.size() == 2;
    push([=](const at::Tensor& values) {
      if (sequence) {
        return max ? std::get<0>(at::adaptive_max_pool1d(values, pooling.size))
                   : at::adaptive_avg_pool1d(values, pooling.size);
      }
      const std::array<std::int64_t, 2> size = {pooling.size, pooling.size};
      return max ? std::get<0>(at::adaptive_max_pool2d(values, size)) : at::adaptive_avg_pool2d(values, size);
    });
  }
  void operator()(const Activation& activation) {
    push([kind = activation.kind](const at::Tensor& values) { return activated(values, kind); });
  }
  void operator()(const BatchNorm&) {
    const Normalization norm = take_normalization();
    push([weight = norm.weight.clone(), bias = norm.bias.clone(), mean = norm.mean.clone(),
          variance = norm.variance.clone()](const at::Tensor& values) {
      return at::batch_norm(values, weight, bias, mean, variance, /*training=*/false, /*momentum=*/0, epsilon,
                            /*cudnn_enabled=*/false);
    });
  }
  void operator()(const LayerNorm&) {
    const Shape shape = current().input;
    push([shape, weight = take("weight", shape).clone(), bias = take("bias", shape).clone()](
             const at::Tensor& values) { return at::layer_norm(values, shape, weight, bias, epsilon); });
  }
  void operator()(const Dropout&) {}
  void operator()(const Embedding& embedding) {
    push([weight = take("weight", {embedding.count, embedding.size}).clone()](const at::Tensor& indices) {
      return at::embedding(weight, indices.to(at::kLong)).transpose(1, 2);
    });
  }
  void operator()(const Flatten&) {
    if (images_at_once_ > 0 && current().input.size() == 3 && a_linear_layer_takes_the_values()) {
      image_as_it_lies_ = current().input;
      return push(flattened_as_it_lies);
    }
    push([](const at::Tensor& values) { return values.flatten(1); });
  }
  void operator()(const Residual& residual) {
    Builder inner(weights_, images_at_once_);
    inner.add(residual.layers, tensor_name(""), [](const Layer&) {});
    push([steps = inner.take_steps()](const at::Tensor& values) {
      return steps.empty() ? values.add(values) : values.add(run(steps, values));
    });
  }

 private:
  void push(InferenceStep step) { steps_.push_back(std::move(step)); }

  const Layer& current() const { return (*layers_)[place_]; }
  std::string tensor_name(const std::string& name) const {
    return fmt::format("{}{}.{}", prefix_, place_, name);
  }
  at::Tensor take(const std::string& name, const Shape& shape) {
    return weights_.take(tensor_name(name), shape);
  }
  Normalization take_normalization() {
    const Shape shape = {current().input.front()};
    return {take("weight", shape), take("bias", shape), take("running_mean", shape),
            take("running_var", shape)};
  }

  // The next layer, made the current one, when it is of that kind; dropouts between are passed over.
  template <typename Operation>
  const Operation* take_next() {
    for (std::size_t next = place_ + 1; next < layers_->size(); ++next) {
      if (const auto* found = std::get_if<Operation>(&(*layers_)[next].operation)) {
        place_ = next;
        return found;
      }
      if (!std::holds_alternative<Dropout>((*layers_)[next].operation)) {
        break;
      }
    }
    return nullptr;
  }

  Affine with_batchnorm(const Affine& affine) {
    return take_next<BatchNorm>() == nullptr ? affine : folded(affine, take_normalization());
  }

  bool take_relu() {
    const std::size_t before = place_;
    const auto* activation = take_next<Activation>();
    if (activation != nullptr && activation->kind == Activation::Kind::relu) {
      return true;
    }
    place_ = before;
    return false;
  }

  // Whether what follows does not mind the values' order, up to a linear layer, whose weights can have it.
  bool a_linear_layer_takes_the_values() const {
    for (std::size_t i = place_ + 1; i < layers_->size(); ++i) {
      const Operation& operation = (*layers_)[i].operation;
      if (std::holds_alternative<Linear>(operation)) {
        return true;
      }
      const auto* activation = std::get_if<Activation>(&operation);
      const bool one_by_one = activation != nullptr && activation->kind != Activation::Kind::softmax;
      if (!one_by_one && !std::holds_alternative<Dropout>(operation)) {
        return false;
      }
    }
    return false;
  }

  WeightTable& weights_;
  std::int64_t images_at_once_;
  const std::vector<Layer>* layers_ = nullptr;
  std::size_t place_ = 0;
  std::string prefix_;
  Shape image_as_it_lies_;  // whose values come in that order until a linear layer takes them
  Steps steps_;
};

// What goes into and comes out of the largest layer for one example.
std::size_t largest_bytes(const std::vector<Layer>& layers) {
  std::size_t largest = 1;
  for (const Layer& layer : layers) {
    const std::size_t own = (element_count(layer.input) + element_count(layer.output)) * sizeof(float);
    const auto* residual = std::get_if<Residual>(&layer.operation);
    largest = std::max({largest, own, residual == nullptr ? 0 : largest_bytes(residual->layers)});
  }
  return largest;
}

// How many images are computed together: what goes into and comes out of a layer should stay in the
// processor's cache until the next one, and a call should have enough to do.
std::int64_t images_at_once(const Network& network) {
  if (!works_on_images(network)) {
    return 0;
  }
  constexpr std::size_t cache = 2 << 20;
  const std::size_t fit = cache / largest_bytes(network.layers);
  return static_cast<std::int64_t>(std::bit_floor(std::max(fit, std::size_t{1})));
}

}  // namespace

InferenceNetwork::InferenceNetwork(const Network& network, const std::vector<NamedTensor>& weights,
                                   const std::string& file)
    : images_at_once_(images_at_once(network)) {
  const c10::InferenceMode inference;
  WeightTable table(weights, file);
  Builder builder(table, images_at_once_);
  bool images = images_at_once_ > 0;
  builder.add(network.layers, "", [&](const Layer& layer) {
    if (images && layer.output.size() == 1) {
      on_images_ = builder.take_steps();
      images = false;
    }
  });
  on_values_ = builder.take_steps();
  table.require_all_taken();
}

at::Tensor InferenceNetwork::forward(const at::Tensor& batch) const {
  if (images_at_once_ == 0) {
    return run(on_values_, batch);
  }
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < batch.size(0); first += images_at_once_) {
    const std::int64_t size = std::min(images_at_once_, batch.size(0) - first);
    parts.push_back(run(on_images_, channels_last(batch.narrow(0, first, size))));
  }
  return run(on_values_, parts.size() == 1 ? parts.front() : at::cat(parts));
}

}  // namespace mlpipe
