#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/engine.hpp"
#include "server/protocol/router.hpp"

namespace mlpipe {

// A model of [1, 2, 2] pictures without libtorch: what it answers is a function of the values.
class FakeModel : public Servable {
 public:
  using Function = std::function<std::vector<float>(std::span<const float> example)>;

  FakeModel(Model model, Function function) : model_(std::move(model)), function_(std::move(function)) {}

  const Model& model() const override { return model_; }
  Digest digest() const override { return digest_of(model_.name); }
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const override {
    std::vector<float> scores;
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<float> one = function_(rows.subspan(i * model_.values(), model_.values()));
      scores.insert(scores.end(), one.begin(), one.end());
    }
    return scores;
  }

 private:
  Model model_;
  Function function_;
};

inline Model small_model() {
  Model model;
  model.name = "small";
  model.input_shape = {1, 2, 2};
  model.least = 0;
  model.most = 16;
  model.labels = {"0", "1", "2"};
  return model;
}

// A table of a number and a colour, without libtorch.
inline Model table_with_colours(Task task, std::vector<std::string> labels) {
  Model model;
  model.name = "table";
  model.task = task;
  model.input_shape = {2};
  model.columns = {{"size", 0, 10}, {"colour", 0, 2, {"red", "green", "3"}}};
  model.preprocessing.categories = category_counts(model.columns);
  model.labels = std::move(labels);
  return model;
}

// Answers an example with its own values.
inline std::vector<float> as_they_are(std::span<const float> example) {
  return {example.begin(), example.end()};
}

// Scores 0.5, 0.25, 0.25, the largest at the label that the first value names.
inline std::vector<float> first_value_wins(std::span<const float> example) {
  std::vector<float> scores = {0.25F, 0.25F, 0.25F};
  scores[static_cast<std::size_t>(example[0]) % 3] = 0.5F;
  return scores;
}

// Asks and waits for the answer.
inline Response ask(const Router& router, const Request& request) {
  std::promise<Response> answer;
  router.answer(request, [&answer](Response response) { answer.set_value(std::move(response)); });
  return answer.get_future().get();
}

inline ModelLoader loader_of(Model model, FakeModel::Function function) {
  return [model = std::move(model), function = std::move(function)](const std::filesystem::path&) {
    return std::make_unique<const FakeModel>(model, function);
  };
}

}  // namespace mlpipe
