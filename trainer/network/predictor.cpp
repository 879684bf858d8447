#include "trainer/network/predictor.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/network/network_module.hpp"

namespace mlpipe {

struct Predictor::Loaded {
  Model model;
  torch::nn::Sequential module;
  bool images = false;
};

namespace {

constexpr std::size_t most_at_once = 256;  // bounds the memory of a large request; more at once is not faster

// An embedding would read memory that is not its own.
void require_indices(std::span<const float> values, std::int64_t count) {
  for (const float value : values) {
    if (!(value >= 0 && value < static_cast<float>(count) && value == std::floor(value))) {
      throw UsageError(fmt::format("{} is no whole number from 0 to {}, which the embedding takes",
                                   number_text(value), count - 1));
    }
  }
}

// [batch, network outputs] → [batch, labels], as the task has it.
torch::Tensor scores_of(const Model& model, const torch::Tensor& output) {
  switch (model.task) {
    case Task::classification:
      return at::softmax(output, 1);
    case Task::binary:
      return at::cat({at::sigmoid(-output), at::sigmoid(output)}, 1);
    case Task::regression:
      if (!model.target.offset.empty()) {
        const auto row = [](const std::vector<float>& values) {
          return torch::from_blob(const_cast<float*>(values.data()),
                                  {1, static_cast<std::int64_t>(values.size())}, torch::kFloat32);
        };
        return output * row(model.target.divisor) + row(model.target.offset);
      }
      return output;
    case Task::svm:
      break;
  }
  return output;
}

}  // namespace

Predictor Predictor::load(const std::filesystem::path& model_directory) {
  auto loaded = std::make_unique<Loaded>();
  loaded->model = read_model(model_directory);
  const std::filesystem::path path = model_directory / weights_file;
  const std::string bytes = read_file(path);
  const Digest digest = digest_of(bytes);
  if (digest != loaded->model.weights) {
    throw Error(fmt::format("{}: its SHA-256 is {}…, and {} says {}…", path.string(), digest.short_hex(),
                            model_file, loaded->model.weights.short_hex()),
                "the file was changed or damaged: take the model again from where it came");
  }
  loaded->module = build_module(loaded->model.network);
  load_weights(loaded->module, parse_safetensors(bytes, path.string()), path.string());
  loaded->module->eval();
  for (torch::Tensor& parameter : loaded->module->parameters()) {
    parameter.set_requires_grad(false);
  }
  loaded->images = works_on_images(loaded->model.network);
  if (loaded->images) {
    use_channels_last(loaded->module);
  }
  return Predictor(std::move(loaded));
}

Predictor::Predictor(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;
Predictor::~Predictor() = default;

const Model& Predictor::model() const {
  return loaded_->model;
}

std::vector<float> Predictor::predict(std::span<const float> rows, std::size_t count) const {
  const Model& model = loaded_->model;
  const std::size_t values = model.values();
  if (rows.size() != count * values) {
    throw Error(
        fmt::format("{} rows of {} values were announced, and {} values came", count, values, rows.size()));
  }
  if (const auto indices = model.network.index_count()) {
    require_indices(rows, *indices);
  }
  const Shape input = model.network_input();
  const std::size_t encoded = model.encoded_values();
  const c10::InferenceMode inference;
  std::vector<float> scores;
  scores.reserve(count * model.labels.size());
  for (std::size_t start = 0; start < count; start += most_at_once) {
    const std::size_t size = std::min(most_at_once, count - start);
    Shape shape = {static_cast<std::int64_t>(size)};
    shape.insert(shape.end(), input.begin(), input.end());
    torch::Tensor batch = torch::empty(shape, torch::kFloat32);
    model.preprocessing.apply(rows.subspan(start * values, size * values),
                              {batch.mutable_data_ptr<float>(), size * encoded}, values);
    if (loaded_->images) {
      batch = batch.contiguous(torch::MemoryFormat::ChannelsLast);
    }
    // Sequential's forward is not const, but in evaluation mode it changes nothing: threads may share it.
    torch::nn::Sequential module = loaded_->module;
    const torch::Tensor answers = scores_of(model, module->forward(batch)).contiguous();
    const auto* first = answers.const_data_ptr<float>();
    scores.insert(scores.end(), first, first + answers.numel());
  }
  return scores;
}

}  // namespace mlpipe
