#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training_data.hpp"
#include "trainer/data/part.hpp"
#include "trainer/data/statistics.hpp"

namespace mlpipe {

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
  Statistics statistics;             // of the training part
  std::vector<std::string> skipped;  // what was left out, and why, a line each
  bool is_decoded = false;           // examples cost more than copying them

  std::size_t values() const { return element_count(shape); }
  bool is_image() const { return shape.size() == 3; }
};

// Reads the data, gives every example its target, and splits: by the source's own test part, by a column, or
// by label and seed, so that the same seed always gives the same parts. Throws UsageError, as the readers do
// (raw_data.hpp), also for a shape that the values do not fill, labels that are too few or too many for the
// task, a test label that training does not have, a part without examples, and a value that is not finite.
Dataset read_dataset(const TrainingData& data, Task task);

// What makes the network's input of an example: the categories of the columns become one value each, and what
// is a number is scaled as `data` asks for, fitted on the training part: in a table each column by itself, in
// images all pixels alike or each channel.
Preprocessing fit_preprocessing(const TrainingData& data, const Dataset& dataset);

// How many threads to load batches with: what `data` says, otherwise none for what only has to be copied.
int loader_workers(const TrainingData& data, const Dataset& dataset);

}  // namespace mlpipe
