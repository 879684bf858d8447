#include "pipeline/model/network_presets.hpp"

#include <array>

namespace mlpipe {
namespace {

constexpr std::array<NetworkPreset, 4> presets = {{
    {"linear", "every value with every output", "[flatten, linear: auto]"},
    {"mlp", "two hidden layers of 128 and 64, for tables",
     "[flatten, linear: 128, relu, linear: 64, relu, linear: auto]"},
    {"cnn-mnist", "the two convolutions of the classic Keras example, for images of about 28×28",
     R"([conv: {out: 32, kernel: 3}, relu, conv: {out: 64, kernel: 3}, relu, maxpool: 2, dropout: 0.25,
         flatten, linear: 128, relu, dropout: 0.5, linear: auto])"},
    {"resnet-small",
     "nine convolutions with batch normalisation, six of them in three residual blocks, for images of any "
     "size",
     R"([conv: {out: 16, kernel: 3, padding: same}, batchnorm, relu,
         residual: [conv: {out: 16, padding: same}, batchnorm, relu, conv: {out: 16, padding: same}, batchnorm],
         relu, conv: {out: 32, stride: 2, padding: 1}, batchnorm, relu,
         residual: [conv: {out: 32, padding: same}, batchnorm, relu, conv: {out: 32, padding: same}, batchnorm],
         relu, conv: {out: 64, stride: 2, padding: 1}, batchnorm, relu,
         residual: [conv: {out: 64, padding: same}, batchnorm, relu, conv: {out: 64, padding: same}, batchnorm],
         relu, adaptive-avgpool: 1, flatten, linear: auto])"},
}};

}  // namespace

std::span<const NetworkPreset> network_presets() {
  return presets;
}

}  // namespace mlpipe
