#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "pipeline/model/training.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe {

// Examples with their classes.
struct Examples {
  std::vector<float> values;          // [count, shape…], in the data's own units
  std::vector<std::int64_t> classes;  // [count], an index into the labels
  std::vector<std::size_t> rows;      // [count], which example of the source each is, from 0

  std::size_t count() const { return classes.size(); }
};

// What a network is trained on and what is held out to judge it.
struct Dataset {
  std::string source;                // the file, for messages
  Shape shape;                       // of one example
  std::vector<std::string> columns;  // tables: a name for each value; empty for images
  std::vector<std::string> labels;   // sorted: by value when all are numbers
  Examples training;
  Examples held_out;

  std::size_t values() const { return element_count(shape); }
  bool is_image() const { return shape.size() == 3; }
};

// Reads the data, gives every example its class, and splits: by the source's own test part, or by label and
// seed, so that the same seed always gives the same parts. Throws UsageError, as the readers do, also for a
// shape that the values do not fill, a single class, a test label that training does not have, and a part
// without examples.
Dataset read_dataset(const TrainingData& data);

// The split as such: which of the examples are held out, ascending. Each class gives its share, rounded, and
// keeps at least one example for training.
std::vector<std::size_t> choose_held_out(const std::vector<std::int64_t>& classes, std::size_t class_count,
                                         const Split& split);

// Scaling fitted on `values`: one offset and divisor for each value of an example, or for images one for all.
Preprocessing fit_preprocessing(Preprocessing::Kind kind, const std::vector<float>& values,
                                std::size_t values_per_example, bool one_for_all);

}  // namespace mlpipe
