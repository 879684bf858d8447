#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "trainer/data/dataset.hpp"
#include "trainer/network/predictor.hpp"
#include "trainer/training/evaluation.hpp"
#include "trainer/training/loop.hpp"

namespace mlpipe {

// How the written model, not the network in memory, answers what was held out: what is reported is what will
// be served. Reads the examples in pieces. `look` is shown each piece: the position of its first example, its
// raw values and its scores.
using LookAtAnswers =
    std::function<void(std::size_t first, std::span<const float> raw, std::span<const float> scores)>;
Evaluation evaluate(const Predictor& predictor, const Part& held_out, RegressionLoss loss,
                    const LookAtAnswers& look);

// What metrics.json says.
struct Metrics {
  Evaluation held_out;
  double train_loss = 0;
  std::int64_t epochs = 0;  // that were trained
  std::int64_t epoch = 0;   // whose weights the model has
  std::int64_t parameters = 0;
  std::size_t train_samples = 0;
  std::size_t held_out_samples = 0;
};

// metrics.json: one flat object, the metrics of the held-out part (evaluation.hpp) and train_loss, epochs,
// epoch, parameters, train_samples, held_out_samples; the same bytes for the same training.
void write_metrics(const Metrics& metrics, const std::filesystem::path& directory);

// What is seen of the training itself: metrics.jsonl, a line (history.hpp) for each observation; the same for
// TensorBoard, in tensorboard/; the learning curves as loss.svg and, for the metric that says most,
// metric.svg.
void write_history(const History& history, const std::string& metric, const std::filesystem::path& directory);

// confusion.svg, where there are 50 labels at most.
void write_confusion(const Model& model, const Evaluation& held_out, const std::filesystem::path& directory);

// held-out.jsonl, line by line: for each held-out example, in the order of the source,
// {"row":4,"data":[…raw values…],"label":"7","prediction":"7","scores":[…in the order of the model's
// labels…]}, for a regression {"row":4,"data":[…],"target":[…],"scores":[…]}. It ends after ten million
// values, since large images would make it larger than the data.
class HeldOutFile {
 public:
  HeldOutFile(const Model& model, const Part& held_out) : model_(model), held_out_(held_out) {}
  void add(std::size_t first, std::span<const float> raw, std::span<const float> scores);
  void write(const std::filesystem::path& directory) const;

 private:
  const Model& model_;
  const Part& held_out_;
  std::size_t values_ = 0;
  std::string lines_;
};

}  // namespace mlpipe
