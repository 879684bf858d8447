#include "trainer/training/model_card.hpp"

#include <fmt/format.h>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/training/progress.hpp"

namespace mlpipe {
namespace {

// Names and labels come from the data: nothing in them may look like Markdown or HTML.
std::string plain(const std::string& text) {
  std::string result;
  for (const char character : printable(text)) {
    if (std::string_view("\\`*_{}[]()<>#+-!|&~").find(character) != std::string_view::npos) {
      result += '\\';
    }
    result += character;
  }
  return result;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t most = 20;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) {
    shown.push_back(plain(names[i]));
  }
  return join(shown, ", ") + (names.size() > most ? fmt::format(" and {} more", names.size() - most) : "");
}

std::string input_of(const Model& model) {
  if (model.columns.empty()) {
    return fmt::format("{} values of shape {}, from {} to {} in training", model.values(),
                       shape_text(model.input_shape), number_text(model.least), number_text(model.most));
  }
  std::vector<std::string> names;
  for (const Column& column : model.columns) {
    names.push_back(column.name);
  }
  return fmt::format("{}: {}", count_of(names.size(), "column"), some_of(names));
}

std::string how(const Training& training) {
  std::string text = fmt::format(
      "{} with a learning rate of {}, batches of {}, seed {}", optimizer_name(training.optimizer.kind),
      number_text(training.optimizer.learning_rate), training.batch, training.seed);
  if (training.schedule.kind != Schedule::Kind::constant) {
    text += fmt::format(", schedule {}", schedule_name(training.schedule.kind));
  }
  return text;
}

}  // namespace

std::string model_card(const Model& model, const Training& training, const Metrics& metrics,
                       const std::string& source) {
  std::string text = fmt::format("# {}\n\n| | |\n|---|---|\n", plain(model.name));
  const auto row = [&](const char* name, const std::string& value) {
    text += fmt::format("| {} | {} |\n", name, value);
  };
  row("task", task_name(model.task));
  row("input", input_of(model));
  row(model.task == Task::regression ? "answers with" : "labels", some_of(model.labels));
  row("network", fmt::format("{}, {} parameters", count_of(model.network.layers.size(), "layer"),
                             grouped(metrics.parameters)));
  row("data", fmt::format("{}: {} examples to train on, {} held out", plain(source),
                          grouped(static_cast<std::int64_t>(metrics.train_samples)),
                          grouped(static_cast<std::int64_t>(metrics.held_out_samples))));
  row("trained", fmt::format("{}; {}, the weights are those of epoch {}", how(training),
                             count_of(static_cast<std::size_t>(metrics.epochs), "epoch"), metrics.epoch));
  text += "\n## On what was held out\n\n| metric | value |\n|---|---|\n";
  for (const auto& [name, value] : metrics.held_out.metrics) {
    text += fmt::format("| {} | {:.4f} |\n", plain(name), value);
  }
  text +=
      "\nThese figures say how the model answers examples like those it was trained on. How it answers "
      "others, nobody "
      "has measured.\n\n![learning curves](loss.svg)\n";
  if (!metrics.held_out.confusion.empty()) {
    text += "\nconfusion.svg shows which labels are taken for which (up to 50 labels).\n";
  }
  return text;
}

}  // namespace mlpipe
