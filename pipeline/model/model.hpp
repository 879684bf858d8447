#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/model/network.hpp"
#include "pipeline/model/preprocessing.hpp"
#include "pipeline/model/task.hpp"
#include "pipeline/model/weights_format.hpp"

namespace mlpipe {

// One column of a table as the training data had it; what a form for it looks like.
struct Column {
  std::string name;
  float least = 0;  // smallest and largest value seen in training, in the data's own units
  float most = 0;
  std::vector<std::string> categories = {};  // a raw value is the index of one; empty: it is a number

  // The index of a category, -1 for one that training did not have.
  float category(std::string_view text) const;
};

// What training took off the targets of a regression and divided them by: the predictor brings a network's
// values back into the targets' own units. One for each target, or none at all.
struct TargetScale {
  std::vector<float> offset;
  std::vector<float> divisor;
};

// A model artifact: a folder that holds model.yaml (this) and its weights. Only deterministic content: equal
// training gives equal bytes. Provenance is not here but in the release that names the folder's digest.
//
// What mlpipe-train writes says all of this. For a model of another make the shortest is
//   mlpipe-model: 1
//   task: classification
//   input: {shape: [4]}
//   labels: [no, yes]
//   weights: {file: model.pt}
struct Model {
  std::string name;
  Task task = Task::classification;
  std::string input_name = "input";  // what the Open Inference Protocol calls it; FP32, [-1, input_shape…]
  Shape input_shape;  // of one raw example, without the batch: [1, 8, 8] for an image, [4] for a table
  std::vector<Column> columns;  // as many as an example has values; empty for images
  float least = 0;              // images: the range of a pixel in the training data
  float most = 1;
  std::vector<std::string> labels;  // in the order of the scores; regression: the names of the targets
  TargetScale target;               // regression
  Preprocessing preprocessing;      // applied to a raw example before the network
  Network network;                  // of safetensors; no layers: the weights' file holds it
  WeightsFormat format = WeightsFormat::safetensors;
  std::string weights_name = "weights.safetensors";  // a file of the folder
  Digest weights;                                    // its SHA-256; zero: model.yaml does not say

  std::size_t values() const { return element_count(input_shape); }  // raw values in one example
  std::size_t encoded_values() const { return preprocessing.encoded_values(values()); }
  // What the network takes: the raw shape, or [encoded_values()] where categories were encoded.
  Shape network_input() const;
  // Of one answer: a value for each label.
  Shape output_shape() const { return {static_cast<std::int64_t>(labels.size())}; }
  bool is_image() const { return columns.empty() && input_shape.size() == 3; }
};

// How many categories each column has, as Preprocessing takes it; empty when all columns are numbers.
std::vector<std::size_t> category_counts(const std::vector<Column>& columns);

// What model.yaml may hold.
const Schema& model_schema();

inline constexpr const char* model_file = "model.yaml";
inline constexpr const char* weights_file = "weights.safetensors";

// What a model is called whose model.yaml gives no name.
inline constexpr const char* nameless_model = "model";

// Reads and checks model.yaml (not the weights). Throws Error that names the file and the fault: missing, not
// a model of mlpipe, a newer format, a shape that the network cannot take, labels that do not fit the output.
Model read_model(const std::filesystem::path& directory);

// Writes model.yaml into an existing folder, the same bytes for the same model.
void write_model(const Model& model, const std::filesystem::path& directory);

}  // namespace mlpipe
