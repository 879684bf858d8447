#pragma once

#include <filesystem>

#include "trainer/data/dataset.hpp"
#include "trainer/network/predictor.hpp"

namespace mlpipe {

// Examples of a part, all in memory.
struct Examples {
  std::vector<float> values;          // [count, shape…], in the data's own units
  std::vector<std::int64_t> classes;  // [count], an index into the labels
  std::vector<std::size_t> rows;      // [count], which example of the source each is, from 0

  std::size_t count() const { return classes.size(); }
};
Examples read_examples(const Part& part, std::size_t values_per_example);

// How the model answers what was held out, and what else metrics.json says.
struct Evaluation {
  double accuracy = 0;
  double loss = 0;            // mean cross-entropy
  std::vector<float> scores;  // [held out, classes]
};

// Asks the written model, not the network in memory, so that what is reported is what will be served.
Evaluation evaluate(const Predictor& predictor, const Examples& held_out);

struct Metrics {
  double accuracy = 0;
  double loss = 0;
  double train_loss = 0;
  std::int64_t epochs = 0;
  std::int64_t parameters = 0;
  std::size_t train_samples = 0;
  std::size_t held_out_samples = 0;
};

// metrics.json: one object with the names above, the same bytes for the same training.
void write_metrics(const Metrics& metrics, const std::filesystem::path& directory);

// held-out.jsonl: for each held-out example, in the order of the source,
// {"row":4,"data":[…raw values…],"label":"7","prediction":"7","scores":[…in the order of the model's
// labels…]}.
void write_held_out(const Model& model, const Examples& held_out, const Evaluation& evaluation,
                    const std::filesystem::path& directory);

}  // namespace mlpipe
