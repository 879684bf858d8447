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
//
// What becomes of an example with a field that is empty.
enum class MissingValues {
  refuse,
  mean,  // of the training part; a category counts as unknown
  zero,  // a category counts as unknown
  drop,  // the example is left out
};

struct CsvSource {
  std::filesystem::path file;
  std::vector<std::string> targets;  // the column that holds the label; for regression one or more
  std::optional<std::filesystem::path> test = {};  // the held-out examples
  std::vector<std::string> categorical = {};       // columns that are read as words whatever they hold
  std::vector<std::string> drop = {};              // columns that are not looked at
  MissingValues missing = MissingValues::refuse;
};
struct IdxSource {  // the format of the MNIST files
  std::filesystem::path images;
  std::filesystem::path labels;
  std::optional<std::filesystem::path> test_images;  // both or none
  std::optional<std::filesystem::path> test_labels;
};
struct NamedArrays {  // a file that holds arrays by name
  std::filesystem::path file;
  std::string images = "x_train";
  std::string labels = "y_train";
  std::string test_images = "x_test";
  std::string test_labels = "y_test";
  bool test_required = false;  // the test arrays were named, so they must be there
};
struct NpzSource : NamedArrays {};  // an archive of NumPy arrays
struct SafetensorsSource : NamedArrays {};
struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};
struct FolderSource {  // JPEG and PNG files, in a folder for each label
  std::filesystem::path folder;
  std::optional<std::filesystem::path> test = {};  // the held-out examples
  std::optional<ImageSize> resize = {};            // otherwise all are of one size
  std::int64_t channels = 3;                       // 1 or 3
  std::size_t skip_bad = 0;                        // so many files that do not decode are left out
};
using DataSource = std::variant<CsvSource, IdxSource, NpzSource, SafetensorsSource, FolderSource>;

struct Split {
  double test = 0.2;  // the share of examples that is held out
  std::uint64_t seed = 0;
  bool stratify = true;  // each label gives its share
  std::string by = {};   // CSV: the column that says `train` or `test`; then the others mean nothing
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
  bool per_channel = false;                  // images: each channel is scaled by itself
  std::optional<Augmentation> augment;
  std::optional<std::int64_t> workers;  // threads that read, decode and augment; otherwise as the data needs
  std::optional<std::uint64_t> memory;  // bytes that values may take up; otherwise a quarter of the machine's
};

// What `data:` may be.
const Schema& training_data_schema();

// Reads `data`, which has passed the schema. Every further fault becomes a diagnostic; when there is one,
// what is returned is not to be used. Scalars that still hold an expression read as their defaults.
TrainingData read_training_data(const YamlNode& data, Task task, Diagnostics& diagnostics);

// The scalars that name data files and folders, so that a pipeline can make them inputs of its step. Safe on
// a mapping that failed the check: what is not there is left out.
std::vector<const YamlNode*> data_file_nodes(const YamlNode& train);

}  // namespace mlpipe
