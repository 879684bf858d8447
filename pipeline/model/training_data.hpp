#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/model/preprocessing.hpp"
#include "pipeline/model/shape.hpp"
#include "pipeline/model/task.hpp"

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

// Random changes to the images of the training part, anew in every epoch.
struct Augmentation {
  bool flip_horizontal = false;
  bool flip_vertical = false;
  std::int64_t crop = 0;  // moves the image by up to so many pixels each way
};

struct TrainingData {
  DataSource source;
  std::optional<Shape> shape;                // of one example; otherwise the data's own
  std::optional<Split> split;                // as written; otherwise the data's own test part, or Split{}
  std::optional<Preprocessing::Kind> scale;  // otherwise standardize for tables, minmax for images
};

// What `data:` may be.
const Schema& training_data_schema();

// Reads `data`, which has passed the schema. Every further fault becomes a diagnostic; when there is one,
// what is returned is not to be used. Scalars that still hold an expression read as their defaults.
TrainingData read_training_data(const YamlNode& data, Task task, Diagnostics& diagnostics);

// The scalars that name data files, so that a pipeline can make them inputs of its step. Safe on a mapping
// that failed the check: what is not there is left out.
std::vector<const YamlNode*> data_file_nodes(const YamlNode& train);

}  // namespace mlpipe
