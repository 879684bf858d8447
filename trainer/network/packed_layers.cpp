#include "trainer/network/packed_layers.hpp"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/conv2d.h>
#include <c10/util/Exception.h>

#include <array>
#include <optional>
#include <string_view>

namespace mlpipe {
namespace {

// libtorch has these operators for what its own compiler writes; no header of its declares them.
using Scalars = c10::List<std::optional<at::Scalar>>;
using ReorderConvolution = at::Tensor(const at::Tensor& weight, at::IntArrayRef padding,
                                      at::IntArrayRef stride, at::IntArrayRef dilation, std::int64_t groups,
                                      at::OptionalIntArrayRef input_size);
using Convolve = at::Tensor(const at::Tensor& input, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, at::IntArrayRef padding,
                            at::IntArrayRef stride, at::IntArrayRef dilation, std::int64_t groups,
                            std::string_view unary, Scalars scalars,
                            std::optional<std::string_view> algorithm);
using ReorderLinear = at::Tensor(const at::Tensor& weight, std::optional<std::int64_t> batch);
using MultiplyLinear = at::Tensor(const at::Tensor& input, const at::Tensor& weight,
                                  const std::optional<at::Tensor>& bias, std::string_view unary,
                                  Scalars scalars, std::optional<std::string_view> algorithm);

// Nothing where this libtorch has it not, has it otherwise, or is not to use oneDNN.
template <typename Signature>
std::optional<c10::TypedOperatorHandle<Signature>> find_operator(const char* name) {
  if (!at::globalContext().userEnabledMkldnn() || !at::hasMKLDNN()) {
    return std::nullopt;
  }
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!found) {
    return std::nullopt;
  }
  try {
    return found->typed<Signature>();
  } catch (const c10::Error&) {
    return std::nullopt;
  }
}

// Where a layer has fewer weights, a call of oneDNN costs more than it saves: 10 µs.
constexpr std::int64_t least_packed_weights = 1 << 16;

constexpr std::string_view unary_of(bool relu) {
  return relu ? "relu" : "none";
}

at::Tensor activated(at::Tensor output, bool relu) {
  return relu ? output.relu_() : output;
}

}  // namespace

InferenceStep packed_convolution(const at::Tensor& weight, const at::Tensor& bias,
                                 const Convolution& convolution, const Shape& input, std::int64_t batch,
                                 bool relu) {
  using Pair = std::array<std::int64_t, 2>;
  const Pair stride = {convolution.stride, convolution.stride};
  const Pair padding = {convolution.padding, convolution.padding};
  constexpr Pair dilation = {1, 1};
  // Not contiguous(): with one input channel both formats are the same bytes, and libtorch goes by strides.
  const at::Tensor channels_last =
      weight.to(weight.options(), /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::ChannelsLast);
  const auto reorder = find_operator<ReorderConvolution>("mkldnn::_reorder_convolution_weight");
  const auto convolve = find_operator<Convolve>("mkldnn::_convolution_pointwise");
  if (!reorder || !convolve) {
    return [=, bias = bias.clone()](const at::Tensor& images) {
      return activated(at::conv2d(images, channels_last, bias, stride, padding), relu);
    };
  }
  Shape images = {batch};
  images.insert(images.end(), input.begin(), input.end());
  const at::Tensor packed =
      reorder->call(channels_last, padding, stride, dilation, 1, at::OptionalIntArrayRef(images));
  return [=, bias = bias.clone(), convolve = *convolve, scalars = Scalars()](const at::Tensor& given) {
    return convolve.call(given, packed, bias, padding, stride, dilation, 1, unary_of(relu), scalars, "");
  };
}

InferenceStep packed_linear(const at::Tensor& weight, const at::Tensor& bias, bool relu) {
  const auto reorder = find_operator<ReorderLinear>("mkldnn::_reorder_linear_weight");
  const auto multiply = find_operator<MultiplyLinear>("mkldnn::_linear_pointwise");
  if (!reorder || !multiply || weight.numel() < least_packed_weights) {
    return [turned = weight.clone().t(), bias = bias.clone(), relu](const at::Tensor& values) {
      return activated(at::addmm(bias, values, turned), relu);
    };
  }
  const at::Tensor packed = reorder->call(weight, std::nullopt);
  return [=, bias = bias.clone(), multiply = *multiply, scalars = Scalars()](const at::Tensor& values) {
    return multiply.call(values, packed, bias, unary_of(relu), scalars, "");
  };
}

}  // namespace mlpipe
