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
  std::string place = {};  // the layer's label, with those that it is inside of
  Mark mark = {};
};

std::string layer_label(std::size_t index, const Operation& operation) {
  return fmt::format("layer {} ({})", index + 1, layer_name(operation));
}

// Walks through lists of layers, one inside the other.
class ShapeInference {
 public:
  explicit ShapeInference(std::optional<std::int64_t> outputs) : outputs_(outputs) {}

  // Returns the last output; empty when the number of outputs is not known. Throws Fault for the first layer
  // that does not fit; `inside` are the labels of the layers that the list is inside of.
  Shape infer(std::vector<Layer>& layers, const Shape& input, const std::string& inside);

 private:
  Shape infer(Layer& layer, const Shape& input, const std::string& label);

  std::optional<std::int64_t> outputs_;
};

// What an operation makes of a shape. The call operators return the output and set `parameters`, or throw
// Fault.
class ShapeRule {
 public:
  ShapeRule(const Shape& input, std::optional<std::int64_t> outputs, ShapeInference& inference,
            std::string label)
      : input_(input), outputs_(outputs), inference_(inference), label_(std::move(label)) {}

  std::int64_t parameters = 0;

  Shape operator()(const Convolution& layer) {
    const bool image = layer.dimensions == 2;
    image ? require_image() : require_sequence();
    Shape output = {layer.out};
    Shape weights = {layer.out, input_[0]};
    for (std::size_t i = 1; i < input_.size(); ++i) {
      output.push_back(slide(input_[i], layer.kernel, layer.stride, layer.padding));
      weights.push_back(layer.kernel);
    }
    parameters = count(weights) + layer.out;
    return output;
  }

  Shape operator()(Linear& layer) {
    require_flat();
    if (layer.out == 0 && outputs_) {
      layer.out = *outputs_;
    }
    if (layer.out == 0) {
      return {};
    }
    parameters = count({layer.out, input_[0]}) + layer.out;
    return {layer.out};
  }

  Shape operator()(const Pooling& layer) {
    require_image_or_sequence();
    Shape output = {input_[0]};
    for (std::size_t i = 1; i < input_.size(); ++i) {
      output.push_back(slide(input_[i], layer.kernel, layer.stride, 0));
    }
    return output;
  }

  Shape operator()(const AdaptivePooling& layer) {
    require_image_or_sequence();
    Shape output(input_.size(), layer.size);
    output[0] = input_[0];
    return output;
  }

  Shape operator()(const Activation&) { return input_; }
  Shape operator()(const Dropout&) { return input_; }
  Shape operator()(const Flatten&) { return {static_cast<std::int64_t>(element_count(input_))}; }

  Shape operator()(const BatchNorm&) {
    parameters = 2 * input_[0];
    return input_;
  }

  Shape operator()(const LayerNorm&) {
    parameters = 2 * count(input_);
    return input_;
  }

  Shape operator()(const Embedding& layer) {
    require_flat();
    parameters = count({layer.count, layer.size});
    return {layer.size, input_[0]};
  }

  Shape operator()(Residual& layer) {
    Shape output = inference_.infer(layer.layers, input_, label_ + ", ");
    if (output != input_) {
      throw Fault{fmt::format("its layers make {} of {}, and only equal shapes can be added",
                              shape_text(output), shape_text(input_)),
                  how_to_keep(output)};
    }
    for (const Layer& one : layer.layers) {
      parameters += one.parameters;
    }
    return output;
  }

 private:
  void require_flat() const {
    if (input_.size() != 1) {
      throw Fault{fmt::format("it takes a flat input, and gets {}", shape_text(input_)),
                  "put a flatten layer before it"};
    }
  }

  void require_image() const {
    if (input_.size() != 3) {
      throw Fault{
          fmt::format("it takes an image, [channels, height, width], and gets {}", shape_text(input_)),
          "say how the values form an image with data.shape, and put flatten after the last layer of "
          "this kind"};
    }
  }

  void require_sequence() const {
    if (input_.size() != 2) {
      throw Fault{fmt::format("it takes a sequence, [channels, length], and gets {}", shape_text(input_)),
                  input_.size() == 3 ? "for images take conv"
                                     : "say how the values form a sequence with data.shape, or begin with an "
                                       "embedding, and put flatten after the last layer of this kind"};
    }
  }

  void require_image_or_sequence() const {
    if (input_.size() != 2) {
      require_image();
    }
  }

  std::string how_to_keep(const Shape& output) const {
    if (output.size() != input_.size()) {
      return "leave flatten, embedding and the like outside of the residual";
    }
    if (output.front() == input_.front()) {
      return "give its convolutions padding: same and stride 1, and pool outside of it";
    }
    return fmt::format("end it with {}",
                       input_.size() == 1
                           ? fmt::format("linear: {}", input_.front())
                           : fmt::format("{}: {{out: {}, kernel: 1}}", input_.size() == 3 ? "conv" : "conv1d",
                                         input_.front()));
  }

  std::int64_t slide(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                     std::int64_t padding) const {
    if (size + 2 * padding < kernel) {
      throw Fault{fmt::format("its window of {} is larger than its input {}",
                              input_.size() == 3 ? fmt::format("{0}×{0}", kernel) : fmt::format("{}", kernel),
                              shape_text(input_)) +
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
  std::optional<std::int64_t> outputs_;
  ShapeInference& inference_;
  std::string label_;
};

Shape ShapeInference::infer(Layer& layer, const Shape& input, const std::string& label) {
  ShapeRule rule(input, outputs_, *this, label);
  layer.input = input;
  layer.output = std::visit(rule, layer.operation);
  layer.parameters = rule.parameters;
  if (element_count(layer.output) > static_cast<std::size_t>(most_values)) {
    throw Fault{fmt::format("its output {} is more than {} numbers", shape_text(layer.output), most_values),
                "take fewer outputs or a larger stride"};
  }
  return layer.output;
}

Shape ShapeInference::infer(std::vector<Layer>& layers, const Shape& input, const std::string& inside) {
  Shape current = input;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string label = inside + layer_label(i, layers[i].operation);
    try {
      current = infer(layers[i], current, label);
    } catch (Fault& fault) {
      if (fault.place.empty()) {
        fault.place = label;
        fault.mark = layers[i].mark;
      }
      throw;
    }
    if (current.empty()) {
      break;  // the number of outputs is not known yet, and nothing but softmax can follow
    }
  }
  return current;
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

std::string named(const Network& network, std::string text) {
  return network.preset.empty() ? text : fmt::format("{}: {}", network.preset, text);
}

bool check_output(const Network& network, Task task, std::optional<std::int64_t> outputs,
                  Diagnostics& diagnostics) {
  const Layer& last = network.layers.back();
  const std::string label = named(network, layer_label(network.layers.size() - 1, last.operation));
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

// The activation that the predictor applies by itself.
std::optional<Activation::Kind> final_activation(Task task) {
  switch (task) {
    case Task::classification:
      return Activation::Kind::softmax;
    case Task::binary:
      return Activation::Kind::sigmoid;
    default:
      return std::nullopt;
  }
}

// Takes out the activation that is the predictor's; another one would keep the network from giving all the
// values that the task's loss is made for. (Classification lets it pass: its loss only compares the values.)
bool check_last_activation(Network& network, Task task, Diagnostics& diagnostics) {
  const auto* last = std::get_if<Activation>(&network.layers.back().operation);
  if (last == nullptr) {
    return true;
  }
  if (last->kind == final_activation(task)) {
    network.layers.pop_back();
    return true;
  }
  if (task == Task::classification) {
    return true;
  }
  const Layer& layer = network.layers.back();
  diagnostics.add(
      layer.mark,
      fmt::format("{}: with task: {} the network's last values are any numbers, and this limits them",
                  named(network, layer_label(network.layers.size() - 1, layer.operation)), task_name(task)),
      "take it out");
  return false;
}

}  // namespace

bool infer_shapes(Network& network, const Shape& input, std::optional<std::int64_t> labels,
                  Diagnostics& diagnostics, Task task) {
  if (network.layers.empty()) {
    return true;
  }
  const std::optional<std::int64_t> outputs = network_outputs(task, labels);
  if (!check_last_activation(network, task, diagnostics)) {
    return false;
  }
  ShapeInference inference(outputs);
  try {
    if (inference.infer(network.layers, input, "").empty()) {
      return true;
    }
  } catch (const Fault& fault) {
    diagnostics.add(fault.mark, fmt::format("{}: {}", named(network, fault.place), fault.message),
                    fault.hint);
    return false;
  }
  return check_output(network, task, outputs, diagnostics);
}

}  // namespace mlpipe
