#include <fmt/format.h>

#include "pipeline/base/text.hpp"
#include "pipeline/model/network.hpp"
#include "pipeline/model/network_presets.hpp"

namespace mlpipe {
namespace {

using namespace schema;

constexpr double most_outputs = 1'000'000;
constexpr double largest_kernel = 1024;
constexpr double highest_rate = 0.99;

Schema window(std::string meaning) {
  return either(
      std::move(meaning),
      {integer("the width and height of the window, which also moves by as much", 1, largest_kernel),
       keys("the window", {required("kernel", integer("width and height", 1, largest_kernel)),
                           optional("stride", integer("how far it moves; as far as it is wide when not given",
                                                      1, largest_kernel))})});
}

Schema convolution(std::string meaning) {
  return either(
      std::move(meaning),
      {integer("the number of output channels, with a kernel of 3", 1, most_outputs),
       keys("the convolution",
            {required("out", integer("the number of output channels", 1, most_outputs)),
             optional("kernel",
                      integer("how wide (and high) the kernel is, 3 when not given", 1, largest_kernel)),
             optional("stride", integer("how far it moves, 1 when not given", 1, largest_kernel)),
             optional("padding",
                      either("what surrounds the input: `valid` nothing (when not given), `same` as "
                             "much as keeps its size at stride 1, or a number of zeros on each side",
                             {text("by word", {"same", "valid"}), integer("zeros", 0, largest_kernel)}))})});
}

Schema adaptive(std::string meaning) {
  return integer(std::move(meaning), 1, most_outputs);
}

Schema layer() {
  return either(
      "one layer",
      {text("a layer that needs no number",
            {"relu", "gelu", "tanh", "sigmoid", "softmax", "batchnorm", "layernorm", "flatten"}),
       one_of_keys(
           "a layer with its numbers",
           {optional("conv", convolution("a two-dimensional convolution; takes [channels, height, width]")),
            optional("conv1d", convolution("a one-dimensional convolution; takes [channels, length]")),
            optional("linear",
                     either("every value with every other; takes [values]",
                            {integer("the number of outputs", 1, most_outputs),
                             text("as many outputs as the task takes; only as the last layer", {"auto"})})),
            optional("maxpool", window("the largest value in each window, of an image or a sequence")),
            optional("avgpool", window("the mean of each window, of an image or a sequence")),
            optional("adaptive-maxpool",
                     adaptive("the largest values: brings height and width, or length, to this size")),
            optional("adaptive-avgpool",
                     adaptive("the means: brings height and width, or length, to this size")),
            optional("dropout", number("the share of values that training sets to zero", 0, highest_rate)),
            optional("embedding",
                     keys("a learned vector for each whole number; only as the first layer: [length] becomes "
                          "[size, length]",
                          {required("count", integer("the numbers are 0 to count - 1", 1, 16'777'216)),
                           required("size", integer("the length of a vector", 1, most_outputs))})),
            optional("residual", list("layers whose output is added to their input, so it keeps the shape",
                                      any("a layer, as in network")))},
           "layer")});
}

Schema make_network_schema() {
  std::vector<std::string> names;
  std::vector<std::string> meanings;
  for (const NetworkPreset& preset : network_presets()) {
    names.emplace_back(preset.name);
    meanings.push_back(fmt::format("`{}` ({})", preset.name, preset.meaning));
  }
  return either(fmt::format("the layers, from the data to the scores, or a preset: {}", join(meanings, ", ")),
                {text("a preset", names), layers_schema()});
}

}  // namespace

const Schema& layers_schema() {
  static const Schema schema = list("the layers, from the data to the scores", layer());
  return schema;
}

const Schema& network_schema() {
  static const Schema schema = make_network_schema();
  return schema;
}

}  // namespace mlpipe
