#include "trainer/network/predictor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/network/answers.hpp"
#include "trainer/network/inference_network.hpp"

namespace mlpipe {

struct Predictor::Loaded {
  Model model;
  InferenceNetwork network;
};

namespace {

// An embedding would read memory that is not its own.
void require_indices(std::span<const float> values, std::int64_t count) {
  for (const float value : values) {
    if (!(value >= 0 && value < static_cast<float>(count) && value == std::floor(value))) {
      throw UsageError(fmt::format("{} is no whole number from 0 to {}, which the embedding takes",
                                   number_text(value), count - 1));
    }
  }
}

// The model's weights, found to be those that model.yaml names; where it names none, it does now.
std::vector<NamedTensor> read_weights(Model& model, const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const Digest digest = digest_of(bytes);
  if (model.weights.is_zero()) {
    model.weights = digest;
  }
  if (digest != model.weights) {
    throw Error(fmt::format("{}: its SHA-256 is {}…, and {} says {}…", file.string(), digest.short_hex(),
                            model_file, model.weights.short_hex()),
                "the file was changed or damaged: take the model again from where it came");
  }
  return parse_safetensors(bytes, file.string());
}

}  // namespace

Predictor Predictor::load(const std::filesystem::path& model_directory) {
  Model model = read_model(model_directory);
  const std::filesystem::path file = model_directory / model.weights_name;
  InferenceNetwork network(model.network, read_weights(model, file), file.string());
  return Predictor(std::make_unique<Loaded>(Loaded{std::move(model), std::move(network)}));
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
  if (const auto indices = model.network.index_count()) {
    require_indices(rows, *indices);
  }
  return answers_of(model, rows, count,
                    [this](const at::Tensor& batch) { return loaded_->network.forward(batch); });
}

}  // namespace mlpipe
