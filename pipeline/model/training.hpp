#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/model/network.hpp"
#include "pipeline/model/preprocessing.hpp"

namespace mlpipe {

// Where the examples are. Paths are relative to the folder that the trainer runs in.
struct CsvSource {
  std::filesystem::path file;
  std::string target;  // the column that holds the label; all others are numbers
};
struct IdxSource {  // the format of the MNIST files
  std::filesystem::path images;
  std::filesystem::path labels;
  std::optional<std::filesystem::path> test_images;  // both or none
  std::optional<std::filesystem::path> test_labels;
};
struct NpzSource {  // an archive of NumPy arrays
  std::filesystem::path file;
  std::string images = "x_train";
  std::string labels = "y_train";
  std::string test_images = "x_test";
  std::string test_labels = "y_test";
  bool test_required = false;  // the test arrays were named, so they must be there
};
using DataSource = std::variant<CsvSource, IdxSource, NpzSource>;

struct Split {
  double test = 0.2;  // the share of examples that is held out
  std::uint64_t seed = 0;
};

struct TrainingData {
  DataSource source;
  std::optional<Shape> shape;                // of one example; otherwise the data's own
  std::optional<Split> split;                // as written; otherwise the data's own test part, or Split{}
  std::optional<Preprocessing::Kind> scale;  // otherwise standardize for tables, minmax for images
};

struct Optimizer {
  enum class Kind { adam, adamw, sgd, adadelta };
  Kind kind = Kind::adam;
  double learning_rate = 0.001;
  double momentum = 0;  // sgd
};

// What a step's `train:` says.
struct Training {
  TrainingData data;
  Network network;  // its shapes are inferred when data.shape says those of an example
  Optimizer optimizer;
  std::int64_t epochs = 10;
  std::int64_t batch = 32;
  std::uint64_t seed = 0;
  std::optional<std::int64_t> threads;  // otherwise all cores, or one for a small network
};

// What `train:` may be: read by the pipeline's parser and by mlpipe-train, so that they cannot differ.
const Schema& training_schema();

// Checks `train` against the schema and beyond it, and reads it. Every fault becomes a diagnostic; when there
// is one, what is returned is not to be used. Scalars that still hold an expression are not checked and read
// as their defaults, so a pipeline can be checked before its expressions have values.
Training read_training(const YamlNode& train, Diagnostics& diagnostics);

// The scalars that name data files, so that a pipeline can make them inputs of its step. Safe on a mapping
// that failed the check: what is not there is left out.
std::vector<const YamlNode*> data_file_nodes(const YamlNode& train);

// Whether any scalar in it holds "${{".
bool holds_expression(const YamlNode& node);

std::string optimizer_name(Optimizer::Kind kind);

}  // namespace mlpipe
