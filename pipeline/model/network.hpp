#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/model/shape.hpp"
#include "pipeline/model/task.hpp"

namespace mlpipe {

// What a layer does. Sizes are those of one example, without the batch.
struct Convolution {  // [channels, height, width] → [out, …]
  std::int64_t out = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 0;  // zeros added on each side
};
struct Linear {          // [values] → [out]
  std::int64_t out = 0;  // 0: `auto`, as many as there are classes; infer_shapes sets it once they are known
};
struct Pooling {  // [channels, height, width] → [channels, …]
  enum class Kind { max, average };
  Kind kind = Kind::max;
  std::int64_t kernel = 2;
  std::int64_t stride = 2;
};
struct Activation {  // any shape, unchanged; softmax works along the first size of an example
  enum class Kind { relu, gelu, tanh, sigmoid, softmax };
  Kind kind = Kind::relu;
};
struct BatchNorm {};  // any shape, unchanged; normalises each entry of the first size
struct Dropout {
  double rate = 0.5;  // the share of values that training sets to zero
};
struct Flatten {};  // any shape → [values]

using Operation = std::variant<Convolution, Linear, Pooling, Activation, BatchNorm, Dropout, Flatten>;

struct Layer {
  Operation operation;
  Mark mark;                    // where it was written
  Shape input;                  // set by infer_shapes
  Shape output;                 // empty while the number of classes is not known
  std::int64_t parameters = 0;  // what training learns, running statistics not counted
};

// A chain of layers. Its last values are the scores before softmax, one for each class; the softmax that
// turns them into probabilities always follows, so one written as last layer changes nothing.
struct Network {
  std::vector<Layer> layers;

  std::int64_t parameters() const;
  const Shape& output() const { return layers.back().output; }
  bool awaits_classes()
      const;  // it ends with `linear: auto` and nobody has said yet how many classes there are
  bool ends_with_softmax() const;
};

// The word that the layer is written with: "conv", "linear".
std::string layer_name(const Operation& operation);

// What a network may be in YAML: a list of layers.
const Schema& network_schema();

// Reads a list of layers; every fault becomes a diagnostic at its place. Shapes are not inferred yet.
Network read_network(const YamlNode& list, Diagnostics& diagnostics);

// Gives every layer its shapes and parameter count, from the shape of an encoded example and, when it is
// known, the number of labels (regression: of target columns). Task and labels say what `linear: auto` takes
// and what the output is checked against. A layer that does not fit becomes a diagnostic that names it, at
// its place, and ends the inference with false.
bool infer_shapes(Network& network, const Shape& input, std::optional<std::int64_t> labels,
                  Diagnostics& diagnostics, Task task = Task::classification);

// The network as a YAML list, a layer a line, each line indented by `indent` spaces. Everything that
// read_network fills in by itself is written out, so the text means the same for ever.
std::string network_text(const Network& network, std::size_t indent);

}  // namespace mlpipe
