#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training_data.hpp"
#include "trainer/data/example_source.hpp"
#include "trainer/data/statistics.hpp"

namespace mlpipe {

// What examples are to be answered with.
struct Targets {
  std::vector<std::int64_t> classes;  // [count], an index into the labels; empty for regression
  std::vector<float> values;          // [count, width] for regression, in the data's own units; else empty
  std::size_t width = 1;
};

// Some of the examples of a source.
struct Part {
  std::shared_ptr<const ExampleSource> examples;
  Targets targets;                // of these rows
  std::vector<std::size_t> rows;  // which examples of the source, ascending
  std::string name;               // of the source, for messages

  std::size_t count() const { return rows.size(); }
};

// What a network is trained on and what is held out to judge it.
struct Dataset {
  std::string source;           // the file, for messages
  Shape shape;                  // of one raw example
  std::vector<Column> columns;  // tables: one for each value; empty for images
  float least = 0;              // images: the range of a pixel in the training part
  float most = 1;
  std::vector<std::string>
      labels;  // sorted, by value when all are numbers; for regression the targets' names
  Part training;
  Part held_out;
  Statistics statistics;  // of the training part

  std::size_t values() const { return element_count(shape); }
  bool is_image() const { return shape.size() == 3; }
};

// Reads the data, gives every example its class, and splits: by the source's own test part, or by label and
// seed, so that the same seed always gives the same parts. Throws UsageError, as the readers do, also for a
// shape that the values do not fill, a single class, a test label that training does not have, and a part
// without examples.
Dataset read_dataset(const TrainingData& data, Task task);

// The split as such: which of the examples are held out, ascending. Each class gives its share, rounded, and
// keeps at least one example for training.
std::vector<std::size_t> choose_held_out(const std::vector<std::int64_t>& classes, std::size_t class_count,
                                         const Split& split);

// The scaling that `data` asks for, fitted on the training part: for tables an offset and a divisor for each
// column, for images one for all pixels.
Preprocessing fit_preprocessing(const TrainingData& data, const Dataset& dataset);

}  // namespace mlpipe
