#pragma once

#include <simdjson.h>

#include <span>
#include <string>
#include <vector>

#include "server/engine/version.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"

namespace mlpipe {

// Examples as they came, and whether they came as a list of examples or as one.
struct Examples {
  std::vector<float> rows;  // FP32 [count, values], raw
  std::size_t count = 0;
  bool is_batch = false;
};

// One example or a list of them, each flat or in the model's shape; a picture of one channel may leave the
// channel out. Throws RequestError 400 that names the place within `field`.
Examples read_examples(const Model& model, const simdjson::dom::element& element, const std::string& field);

// Whether labels are answered as numbers: when all of them are whole numbers, so that a program always meets
// one type.
bool labels_are_numbers(const Model& model);

// Writes what a model says of examples: {"prediction":"a","scores":{"a":0.9,"b":0.1}}, with margins in place
// of scores for an svm, or {"prediction":3.14} for a regression. Labels are numbers when all of them are.
class PredictionWriter {
 public:
  // The model must outlive the writer.
  explicit PredictionWriter(const Model& model);
  // One example's, without the braces.
  void append(JsonBuffer& out, std::span<const float> scores) const;
  // [count, labels] as a list of objects.
  void append_list(JsonBuffer& out, std::span<const float> scores) const;

 private:
  const Model& model_;
  bool numbers_;
};

// "model":"digits","version":"7"
void append_version(JsonBuffer& out, const ModelVersion& version);

// What /predict answers: one example's prediction, or {"predictions":[…]}.
Response write_prediction(const ModelVersion& version, bool is_batch, std::span<const float> scores);

}  // namespace mlpipe
