#include "trainer/training/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "trainer/training/chart.hpp"
#include "trainer/training/tensorboard.hpp"

namespace mlpipe {
namespace {

// The shortest text of each float; nlohmann would write it as the double that it is not.
std::string number_list(std::span<const float> numbers) {
  std::string text = "[";
  for (const float number : numbers) {
    text += text.size() > 1 ? "," : "";
    text += number_text(number);
  }
  return text + "]";
}

// A raw example as a client of the model sends it: a category is its text, and null where training had it
// not.
std::string example_text(const Model& model, std::span<const float> raw) {
  if (model.columns.empty()) {
    return number_list(raw);
  }
  std::string text = "[";
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const std::vector<std::string>& categories = model.columns[i].categories;
    text += i > 0 ? "," : "";
    text += categories.empty() ? number_text(raw[i])
            : raw[i] < 0       ? "null"
                               : nlohmann::json(categories[static_cast<std::size_t>(raw[i])]).dump();
  }
  return text + "]";
}

Curve curve_of(const History& history, const std::string& name) {
  Curve curve = {name, {}};
  for (const Observation& observation : history) {
    for (const auto& [value_name, value] : observation.values) {
      if (value_name == name) {
        curve.points.emplace_back(static_cast<double>(observation.epoch), value);
      }
    }
  }
  return curve;
}

}  // namespace

Evaluation evaluate(const Predictor& predictor, const Part& held_out, RegressionLoss loss,
                    const LookAtAnswers& look) {
  constexpr std::size_t at_once = 1024;
  const Model& model = predictor.model();
  std::vector<float> raw;
  std::vector<float> scores;
  for (std::size_t first = 0; first < held_out.count(); first += at_once) {
    const std::size_t count = std::min(at_once, held_out.count() - first);
    raw.resize(count * model.values());
    held_out.examples->read(std::span(held_out.rows).subspan(first, count), raw);
    const std::vector<float> answers = predictor.predict(raw, count);
    look(first, raw, answers);
    scores.insert(scores.end(), answers.begin(), answers.end());
  }
  return evaluate({.task = model.task,
                   .loss = loss,
                   .labels = model.labels,
                   .scores = scores,
                   .classes = held_out.targets.classes,
                   .targets = held_out.targets.values,
                   .target_divisor = model.target.divisor});
}

void write_metrics(const Metrics& metrics, const std::filesystem::path& directory) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : metrics.held_out.metrics) {
    json[name] = value;
  }
  json["train_loss"] = metrics.train_loss;
  json["epochs"] = metrics.epochs;
  json["epoch"] = metrics.epoch;
  json["parameters"] = metrics.parameters;
  json["train_samples"] = metrics.train_samples;
  json["held_out_samples"] = metrics.held_out_samples;
  write_file_atomically(directory / "metrics.json", json.dump(2) + "\n");
}

void write_history(const History& history, const std::string& metric,
                   const std::filesystem::path& directory) {
  std::string lines;
  for (const Observation& observation : history) {
    lines += line_of(observation);
  }
  write_file_atomically(directory / "metrics.jsonl", lines);
  std::filesystem::create_directories(directory / "tensorboard");
  write_file_atomically(directory / "tensorboard" / "events.out.tfevents.0.mlpipe",
                        tensorboard_events(history));
  write_file_atomically(
      directory / "loss.svg",
      curves_svg("loss", "epoch", {curve_of(history, "train_loss"), curve_of(history, "held_out_loss")}));
  write_file_atomically(directory / "metric.svg", curves_svg(metric, "epoch", {curve_of(history, metric)}));
}

void write_confusion(const Model& model, const Evaluation& held_out, const std::filesystem::path& directory) {
  constexpr std::size_t most_labels = 50;  // more nobody can read
  if (!held_out.confusion.empty() && model.labels.size() <= most_labels) {
    write_file_atomically(directory / "confusion.svg", confusion_svg(model.labels, held_out.confusion));
  }
}

void HeldOutFile::add(std::size_t first, std::span<const float> raw, std::span<const float> scores) {
  constexpr std::size_t most_values = 10'000'000;
  const std::size_t width = model_.values();
  const std::size_t labels = model_.labels.size();
  const auto label = [&](std::size_t index) { return nlohmann::json(model_.labels[index]).dump(); };
  for (std::size_t i = 0; i * width < raw.size() && values_ + width <= most_values; ++i, values_ += width) {
    const std::span<const float> answer = scores.subspan(i * labels, labels);
    lines_ += fmt::format("{{\"row\":{},\"data\":{},", held_out_.rows[first + i],
                          example_text(model_, raw.subspan(i * width, width)));
    lines_ +=
        model_.task == Task::regression
            ? fmt::format(
                  "\"target\":{}",
                  number_list(std::span(held_out_.targets.values).subspan((first + i) * labels, labels)))
            : fmt::format("\"label\":{},\"prediction\":{}",
                          label(static_cast<std::size_t>(held_out_.targets.classes[first + i])),
                          label(best_of(answer)));
    lines_ += fmt::format(",\"scores\":{}}}\n", number_list(answer));
  }
}

void HeldOutFile::write(const std::filesystem::path& directory) const {
  write_file_atomically(directory / "held-out.jsonl", lines_);
}

}  // namespace mlpipe
