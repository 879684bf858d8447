#include "trainer/training/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

std::size_t best_of(std::span<const float> scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

// The shortest text of each float; nlohmann would write it as the double that it is not.
std::string number_list(std::span<const float> numbers) {
  std::string text = "[";
  for (const float number : numbers) {
    text += text.size() > 1 ? "," : "";
    text += number_text(number);
  }
  return text + "]";
}

std::span<const float> row_of(const std::vector<float>& values, std::size_t row, std::size_t width) {
  return std::span(values).subspan(row * width, width);
}

}  // namespace

Examples read_examples(const Part& part, std::size_t values_per_example) {
  Examples examples{std::vector<float>(part.count() * values_per_example), part.targets.classes, part.rows};
  part.examples->read(part.rows, examples.values);
  return examples;
}

Evaluation evaluate(const Predictor& predictor, const Examples& held_out) {
  constexpr float least_probability =
      1e-30F;  // of a class that was ruled out: its logarithm must stay finite
  Evaluation evaluation;
  evaluation.scores = predictor.predict(held_out.values, held_out.count());
  const std::size_t classes = predictor.model().labels.size();
  std::size_t right = 0;
  for (std::size_t i = 0; i < held_out.count(); ++i) {
    const std::span<const float> scores = row_of(evaluation.scores, i, classes);
    const auto truth = static_cast<std::size_t>(held_out.classes[i]);
    right += best_of(scores) == truth ? 1 : 0;
    evaluation.loss -= std::log(static_cast<double>(std::max(scores[truth], least_probability)));
  }
  evaluation.accuracy = static_cast<double>(right) / static_cast<double>(held_out.count());
  evaluation.loss /= static_cast<double>(held_out.count());
  return evaluation;
}

void write_metrics(const Metrics& metrics, const std::filesystem::path& directory) {
  const nlohmann::ordered_json json = {{"accuracy", metrics.accuracy},
                                       {"loss", metrics.loss},
                                       {"train_loss", metrics.train_loss},
                                       {"epochs", metrics.epochs},
                                       {"parameters", metrics.parameters},
                                       {"train_samples", metrics.train_samples},
                                       {"held_out_samples", metrics.held_out_samples}};
  write_file_atomically(directory / "metrics.json", json.dump(2) + "\n");
}

void write_held_out(const Model& model, const Examples& held_out, const Evaluation& evaluation,
                    const std::filesystem::path& directory) {
  std::vector<std::string> labels;
  for (const std::string& label : model.labels) {
    labels.push_back(nlohmann::json(label).dump());
  }
  std::string lines;
  for (std::size_t i = 0; i < held_out.count(); ++i) {
    const std::span<const float> scores = row_of(evaluation.scores, i, labels.size());
    lines += fmt::format("{{\"row\":{},\"data\":{},\"label\":{},\"prediction\":{},\"scores\":{}}}\n",
                         held_out.rows[i], number_list(row_of(held_out.values, i, model.values())),
                         labels[static_cast<std::size_t>(held_out.classes[i])], labels[best_of(scores)],
                         number_list(scores));
  }
  write_file_atomically(directory / "held-out.jsonl", lines);
}

}  // namespace mlpipe
