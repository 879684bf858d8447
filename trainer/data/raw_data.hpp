#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/model/training_data.hpp"

namespace mlpipe {

// Examples as their source holds them: unscaled, in its order.
struct RawExamples {
  std::vector<float> values;        // [count, shape…], row-major, all finite
  std::vector<std::string> labels;  // [count], not empty texts
};

struct RawData {
  std::string source;                // the file, for messages
  Shape shape;                       // of one example
  std::vector<std::string> columns;  // tables: a name for each value of an example; empty for images
  RawExamples examples;
  std::optional<RawExamples> test;  // the part that the source itself keeps apart for testing
};

// Each throws UsageError that names the file and, where there is one, the row and column (rows are counted
// from 1 as they stand in the file, the header included): a missing, empty or unreadable file, a missing
// column, ragged rows, what is no number, a header that does not agree with the file's size.
RawData read_csv(const CsvSource& source);
RawData read_idx(const IdxSource& source);
RawData read_npz(const NpzSource& source, bool with_test);

// A UsageError unless the path is a regular file with something in it.
void require_data_file(const std::filesystem::path& path);

}  // namespace mlpipe
