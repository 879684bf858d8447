#include <fmt/format.h>

#include <string>

#include "pipeline/base/text.hpp"
#include "pipeline/model/network.hpp"

namespace mlpipe {
namespace {

constexpr std::int64_t most_values = std::int64_t{1} << 31U;  // of one example, and of one layer's parameters

struct Fault {
  std::string message;
  std::string hint;
};

// What an operation makes of a shape. The call operators return the output and set `parameters`, or throw
// Fault.
class ShapeRule {
 public:
  ShapeRule(const Shape& input, std::optional<std::int64_t> classes) : input_(input), classes_(classes) {}

  std::int64_t parameters = 0;

  Shape operator()(const Convolution& layer) {
    require_image();
    Shape output = {layer.out, slide(input_[1], layer.kernel, layer.stride, layer.padding),
                    slide(input_[2], layer.kernel, layer.stride, layer.padding)};
    parameters = count({layer.out, input_[0], layer.kernel, layer.kernel}) + layer.out;
    return output;
  }

  Shape operator()(Linear& layer) {
    if (input_.size() != 1) {
      throw Fault{fmt::format("it takes a flat input, and gets {}", shape_text(input_)),
                  "put a flatten layer before it"};
    }
    if (layer.out == 0 && classes_) {
      layer.out = *classes_;
    }
    if (layer.out == 0) {
      return {};
    }
    parameters = count({layer.out, input_[0]}) + layer.out;
    return {layer.out};
  }

  Shape operator()(const Pooling& layer) {
    require_image();
    return {input_[0], slide(input_[1], layer.kernel, layer.stride, 0),
            slide(input_[2], layer.kernel, layer.stride, 0)};
  }

  Shape operator()(const Activation&) { return input_; }
  Shape operator()(const Dropout&) { return input_; }
  Shape operator()(const Flatten&) { return {static_cast<std::int64_t>(element_count(input_))}; }

  Shape operator()(const BatchNorm&) {
    parameters = 2 * input_[0];
    return input_;
  }

 private:
  void require_image() const {
    if (input_.size() != 3) {
      throw Fault{
          fmt::format("it takes an image, [channels, height, width], and gets {}", shape_text(input_)),
          "say how the values form an image with data.shape, and put flatten after the last layer of "
          "this kind"};
    }
  }

  std::int64_t slide(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                     std::int64_t padding) const {
    if (size + 2 * padding < kernel) {
      throw Fault{
          fmt::format("its window of {0}×{0} is larger than its input {1}", kernel, shape_text(input_)) +
              (padding > 0 ? fmt::format(" with {} zeros on each side", padding) : ""),
          "take a smaller window, less pooling before it, or padding"};
    }
    return (size + 2 * padding - kernel) / stride + 1;
  }

  static std::int64_t count(const Shape& shape) {
    const std::size_t values = element_count(shape);
    if (values > static_cast<std::size_t>(most_values)) {
      throw Fault{fmt::format("its weights {} would be more than {} numbers", shape_text(shape), most_values),
                  "take fewer outputs, or make its input smaller"};
    }
    return static_cast<std::int64_t>(values);
  }

  const Shape& input_;
  std::optional<std::int64_t> classes_;
};

std::string layer_label(std::size_t index, const Operation& operation) {
  return fmt::format("layer {} ({})", index + 1, layer_name(operation));
}

// "and the data has 3 classes"
std::string wanted_outputs(Task task, std::int64_t outputs) {
  switch (task) {
    case Task::binary:
      return "and task: binary takes one, for the second of the two labels";
    case Task::regression:
      return fmt::format("and the data has {}", count_of(static_cast<std::size_t>(outputs), "target"));
    default:
      return fmt::format("and the data has {} classes", outputs);
  }
}

bool check_output(const Network& network, Task task, std::optional<std::int64_t> outputs,
                  Diagnostics& diagnostics) {
  const Layer& last = network.layers.back();
  const std::string label = layer_label(network.layers.size() - 1, last.operation);
  if (last.output.size() != 1) {
    diagnostics.add(
        last.mark,
        fmt::format("{}: the network ends with {}, and scores are flat", label, shape_text(last.output)),
        "end it with flatten, linear: auto");
    return false;
  }
  if (outputs && last.output.front() != *outputs) {
    diagnostics.add(last.mark,
                    fmt::format("{}: the network ends with {}, {}", label,
                                count_of(static_cast<std::size_t>(last.output.front()), "output"),
                                wanted_outputs(task, *outputs)),
                    "write linear: auto as the last layer with numbers");
    return false;
  }
  return true;
}

}  // namespace

bool infer_shapes(Network& network, const Shape& input, std::optional<std::int64_t> labels,
                  Diagnostics& diagnostics, Task task) {
  const std::optional<std::int64_t> outputs = network_outputs(task, labels);
  Shape current = input;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    Layer& layer = network.layers[i];
    ShapeRule rule(current, outputs);
    layer.input = current;
    try {
      layer.output = std::visit(rule, layer.operation);
      if (element_count(layer.output) > static_cast<std::size_t>(most_values)) {
        throw Fault{
            fmt::format("its output {} is more than {} numbers", shape_text(layer.output), most_values),
            "take fewer outputs or a larger stride"};
      }
    } catch (const Fault& fault) {
      diagnostics.add(layer.mark, fmt::format("{}: {}", layer_label(i, layer.operation), fault.message),
                      fault.hint);
      return false;
    }
    layer.parameters = rule.parameters;
    if (layer.output.empty()) {
      return true;  // the number of classes is not known yet, and nothing but softmax can follow
    }
    current = layer.output;
  }
  return network.layers.empty() || check_output(network, task, outputs, diagnostics);
}

}  // namespace mlpipe
