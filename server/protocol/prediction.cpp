#include "server/protocol/prediction.hpp"

#include <algorithm>

#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

bool is_batch_of(const Shape& shape, const Shape& one) {
  return shape.size() == one.size() + 1 && std::equal(one.begin(), one.end(), shape.begin() + 1);
}

Examples examples_from(const Model& model, NumberBlock block, const std::string& field) {
  const Shape flat = {static_cast<std::int64_t>(model.values())};
  const Shape& nested = model.input_shape;
  // A picture with one channel may leave the channel out; a list of such would look like one picture.
  const bool is_plane = nested.size() == 3 && nested[0] == 1;
  const Shape plane = is_plane ? Shape{nested[1], nested[2]} : nested;
  if (block.shape == flat || block.shape == nested) {
    return {std::move(block.values), 1, false};
  }
  if (is_batch_of(block.shape, flat) || is_batch_of(block.shape, nested)) {
    const auto count = static_cast<std::size_t>(block.shape[0]);
    require_example_count(model, count, field);
    return {std::move(block.values), count, true};
  }
  if (block.shape == plane) {
    return {std::move(block.values), 1, false};
  }
  if (block.values.empty()) {
    throw RequestError(400, field + ": it is empty");
  }
  const std::string also = nested == flat ? "" : fmt::format(" or of shape {}", shape_text(nested));
  throw RequestError(
      400, fmt::format("{}: its shape is {}, an example has {} numbers{} (or send a list of examples)", field,
                       shape_text(block.shape), model.values(), also));
}

bool is_number(const std::string& label) {
  const auto digit = [](char character) { return character >= '0' && character <= '9'; };
  const std::size_t start = label.starts_with('-') ? 1 : 0;
  const std::size_t length = label.size() - start;
  return length > 0 && length <= 15 &&
         std::all_of(label.begin() + static_cast<std::ptrdiff_t>(start), label.end(), digit) &&
         (length == 1 || label[start] != '0') && label != "-0";
}

// {"prediction":"a","scores":{"a":0.9,"b":0.1}}, and margins in place of scores for an svm, without the
// braces.
void append_choice(JsonBuffer& out, const Model& model, bool numbers, std::span<const float> scores) {
  append_raw(out, R"("prediction":)");
  const std::string& best = model.labels[best_label(scores)];
  numbers ? append_raw(out, best) : append_text(out, best);
  append_raw(out, model.task == Task::svm ? R"(,"margins":{)" : R"(,"scores":{)");
  for (std::size_t i = 0; i < model.labels.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    append_text(out, model.labels[i]);
    out.push_back(':');
    append_number(out, scores[i]);
  }
  out.push_back('}');
}

// {"prediction":3.14}, or a list for several targets, without the braces.
void append_targets(JsonBuffer& out, std::span<const float> targets) {
  append_raw(out, R"("prediction":)");
  if (targets.size() == 1) {
    append_number(out, targets.front());
  } else {
    append_numbers(out, targets);
  }
}

// The columns, where the innermost lists of an input are rows of them.
std::span<const Column> rows_of_table(const Model& model) {
  return model.input_shape.size() == 1 ? std::span<const Column>(model.columns) : std::span<const Column>();
}

}  // namespace

Examples read_examples(const Model& model, const simdjson::dom::element& element, const std::string& field) {
  Examples examples = examples_from(model, read_numbers(element, field, rows_of_table(model)), field);
  require_indices(model, examples.rows, field);
  return examples;
}

bool labels_are_numbers(const Model& model) {
  return std::all_of(model.labels.begin(), model.labels.end(), is_number);
}

PredictionWriter::PredictionWriter(const Model& model) : model_(model), numbers_(labels_are_numbers(model)) {}

void PredictionWriter::append(JsonBuffer& out, std::span<const float> scores) const {
  model_.task == Task::regression ? append_targets(out, scores)
                                  : append_choice(out, model_, numbers_, scores);
}

void PredictionWriter::append_list(JsonBuffer& out, std::span<const float> scores) const {
  const std::size_t labels = model_.labels.size();
  out.push_back('[');
  for (std::size_t first = 0; first < scores.size(); first += labels) {
    append_raw(out, first > 0 ? ",{" : "{");
    append(out, scores.subspan(first, labels));
    out.push_back('}');
  }
  out.push_back(']');
}

void append_version(JsonBuffer& out, const ModelVersion& version) {
  append_raw(out, R"("model":)");
  append_text(out, version.model().name);
  append_raw(out, R"(,"version":)");
  append_text(out, version.label());
}

Response write_prediction(const ModelVersion& version, bool is_batch, std::span<const float> scores) {
  const PredictionWriter writer(version.model());
  JsonBuffer out;
  out.push_back('{');
  if (is_batch) {
    append_raw(out, R"("predictions":)");
    writer.append_list(out, scores);
  } else {
    writer.append(out, scores);
  }
  out.push_back(',');
  append_version(out, version);
  out.push_back('}');
  return json_response(out);
}

}  // namespace mlpipe
