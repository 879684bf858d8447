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

struct Layer;

// What a layer does. Sizes are those of one example, without the batch.
struct Convolution {  // [channels, height, width] → [out, …]; with one dimension [channels, length] → [out,
                      // …]
  std::int64_t out = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 0;  // zeros added on each side
  int dimensions = 2;
};
struct Linear {          // [values] → [out]
  std::int64_t out = 0;  // 0: `auto`, as many as the task takes; infer_shapes sets it once that is known
};
struct Pooling {  // an image or a sequence: [channels, height, width] → [channels, …]
  enum class Kind { max, average };
  Kind kind = Kind::max;
  std::int64_t kernel = 2;
  std::int64_t stride = 2;
};
struct AdaptivePooling {  // an image or a sequence: [channels, height, width] → [channels, size, size]
  Pooling::Kind kind = Pooling::Kind::average;
  std::int64_t size = 1;
};
struct Activation {  // any shape, unchanged; softmax works along the first size of an example
  enum class Kind { relu, gelu, tanh, sigmoid, softmax };
  Kind kind = Kind::relu;
};
struct BatchNorm {};  // any shape, unchanged; normalises each entry of the first size
struct LayerNorm {};  // any shape, unchanged; normalises each example as a whole
struct Dropout {
  double rate = 0.5;  // the share of values that training sets to zero
};
struct Embedding {         // [length], whole numbers from 0 → [size, length]; only as the first layer
  std::int64_t count = 0;  // the numbers are less than this
  std::int64_t size = 0;
};
struct Flatten {};  // any shape → [values]
struct Residual {   // any shape, unchanged: the layers' output is added to their input
  std::vector<Layer> layers;
};

using Operation = std::variant<Convolution, Linear, Pooling, AdaptivePooling, Activation, BatchNorm,
                               LayerNorm, Dropout, Embedding, Flatten, Residual>;

struct Layer {
  Operation operation;
  Mark mark;                    // where it was written
  Shape input;                  // set by infer_shapes
  Shape output;                 // empty while the number of outputs is not known
  std::int64_t parameters = 0;  // what training learns, running statistics not counted
};

// A chain of layers. What its last values are is the task's to say (task.hpp).
struct Network {
  std::vector<Layer> layers;
  std::string preset = {};  // the name that was written instead of layers, for messages

  std::int64_t parameters() const;
  const Shape& output() const { return layers.back().output; }
  // It ends with `linear: auto`, and nobody has said yet how many outputs that are.
  bool awaits_outputs() const;
  // An embedding at its front takes whole numbers from 0 up to less than this, neither encoded nor scaled;
  // nothing when the network takes numbers as such.
  std::optional<std::int64_t> index_count() const;
  // What one example costs, in multiplications of one pass forward, about.
  double multiplications() const;
};

// The word that the layer is written with: "conv", "linear".
std::string layer_name(const Operation& operation);
// The layer as it is written, on one line: "conv: {out: 8, kernel: 3, stride: 1, padding: 0}".
std::string layer_text(const Operation& operation);

// What a network may be in YAML: a list of layers, or with the name of a preset instead.
const Schema& layers_schema();
const Schema& network_schema();

// Reads a list of layers or a preset's name, which becomes its layers; every fault becomes a diagnostic at
// its place. Shapes are not inferred yet. A name that is still an expression gives a network without layers.
Network read_network(const YamlNode& node, Diagnostics& diagnostics);

// Gives every layer its shapes and parameter count, from the shape of an encoded example and, when it is
// known, the number of labels (regression: of target columns). Task and labels say what `linear: auto` takes
// and what the output is checked against. A softmax (binary: a sigmoid) at the end is taken out: the
// predictor does that anyway. A layer that does not fit becomes a diagnostic that names it, at its place, and
// ends the inference with false.
bool infer_shapes(Network& network, const Shape& input, std::optional<std::int64_t> labels,
                  Diagnostics& diagnostics, Task task = Task::classification);

// The network as a YAML list, a layer a line, each line indented by `indent` spaces. Everything that
// read_network fills in by itself is written out, so the text means the same for ever.
std::string network_text(const Network& network, std::size_t indent);

}  // namespace mlpipe
