#include "server/engine/version.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace mlpipe {
namespace {

// Beyond this a forward call gets no faster for each example, and its memory goes on growing.
constexpr std::size_t largest_batch = 64;

std::vector<float> middle_example(const Model& model) {
  std::vector<float> example(model.values(), (model.least + model.most) / 2);
  for (std::size_t i = 0; i < std::min(model.columns.size(), example.size()); ++i) {
    const Column& column = model.columns[i];
    example[i] = column.categories.empty() ? (column.least + column.most) / 2 : 0;
  }
  if (model.network.index_count()) {
    std::fill(example.begin(), example.end(), 0.0F);
  }
  return example;
}

}  // namespace

UnscorableExample::UnscorableExample(std::size_t index)
    : Error("the model has no finite score for these values",
            "they are too far from those that it was trained on"),
      index_(index) {}

ModelVersion::ModelVersion(std::string label, std::filesystem::path directory,
                           std::unique_ptr<const Servable> servable)
    : label_(std::move(label)),
      directory_(std::move(directory)),
      servable_(std::move(servable)),
      digest_(servable_->digest()),
      loaded_at_(std::chrono::system_clock::now()) {}

void ModelVersion::warm_up() {
  const std::vector<float> example = middle_example(model());
  for (const std::size_t count : std::to_array<std::size_t>({1, 2, 8, largest_batch, 1, 1})) {
    std::vector<float> rows;
    rows.reserve(count * example.size());
    for (std::size_t i = 0; i < count; ++i) {
      rows.insert(rows.end(), example.begin(), example.end());
    }
    try {
      compute(rows, count);
    } catch (const UnscorableExample& failure) {
      throw Error(fmt::format("warming up {}: {}", directory_.string(), failure.what()),
                  "the weights do not fit the data that model.yaml describes");
    }
  }
  loaded_at_ = std::chrono::system_clock::now();
}

std::vector<float> ModelVersion::compute(std::span<const float> rows, std::size_t count) const {
  std::vector<float> scores = servable_->predict(rows, count);
  const std::size_t classes = model().labels.size();
  if (scores.size() != count * classes) {
    throw Error(fmt::format("the model in {} answered {} scores for {} examples, but has {} labels",
                            directory_.string(), scores.size(), count, classes));
  }
  const auto lost =
      std::find_if_not(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); });
  if (lost != scores.end()) {
    throw UnscorableExample(static_cast<std::size_t>(lost - scores.begin()) / classes);
  }
  return scores;
}

std::vector<float> ModelVersion::predict(std::span<const float> rows, std::size_t count) const {
  const auto start = std::chrono::steady_clock::now();
  std::vector<float> scores;
  if (count <= largest_batch) {
    scores = compute(rows, count);
    ++executions_;
  } else {
    const std::size_t values = model().values();
    scores.reserve(count * model().labels.size());
    for (std::size_t first = 0; first < count; first += largest_batch) {
      const std::size_t piece = std::min(largest_batch, count - first);
      try {
        const std::vector<float> part = compute(rows.subspan(first * values, piece * values), piece);
        scores.insert(scores.end(), part.begin(), part.end());
      } catch (const UnscorableExample& failure) {
        throw UnscorableExample(first + failure.index());
      }
      ++executions_;
    }
  }
  ++requests_;
  examples_ += count;
  computing_ += (std::chrono::steady_clock::now() - start).count();
  return scores;
}

VersionCounts ModelVersion::counts() const {
  return {requests_, failures_, examples_, executions_, std::chrono::nanoseconds(computing_)};
}

}  // namespace mlpipe
