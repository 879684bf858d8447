#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training_data.hpp"
#include "trainer/data/part.hpp"

namespace mlpipe {

// Data as its source holds it, before anything is split off or fitted.
struct RawData {
  std::string source;                // the file, for messages
  Shape shape;                       // of one example
  std::vector<Column> columns;       // tables that name them; their ranges are not known yet
  std::vector<std::string> labels;   // sorted; for regression the targets' names
  Part all;                          // what is split, or with `test` what is trained on
  std::optional<Part> test;          // what the source itself keeps apart for testing
  std::vector<std::string> skipped;  // what was left out, and why
  // The range of all values where the format says it, so that nobody has to look at them.
  std::optional<std::pair<float, float>> range = {};
  bool is_decoded = false;  // examples cost more than copying them
  // Brings a table into its last form once it is known which rows are trained on: what hangs on the data, the
  // categories and the means that stand in for missing values, is taken from them alone. Called once, before
  // anything is read; it completes the columns.
  std::function<void(std::span<const std::size_t> rows, std::vector<Column>& columns)> fit = {};
};

struct ReadOptions {
  Task task = Task::classification;
  bool with_test = true;  // whether a test part that the source has by itself is looked for
  std::string split_by = {};
  std::size_t memory = 0;  // bytes of values that may lie in memory
  int workers = 0;         // threads to read with, besides this one
};

// Each throws UsageError that names the file and, where there is one, the row and column (rows are counted
// from 1 as they stand in the file, the header included): a missing, empty or unreadable file, a missing
// column, ragged rows, what is no number, a header that does not agree with the file's size, an image that
// does not decode.
RawData read_csv(const CsvSource& source, const ReadOptions& options);
RawData read_idx(const IdxSource& source, const ReadOptions& options);
RawData read_npz(const NpzSource& source, const ReadOptions& options);
RawData read_tensors(const SafetensorsSource& source, const ReadOptions& options);
RawData read_folder(const FolderSource& source, const ReadOptions& options);

}  // namespace mlpipe
