#include "trainer/network/predictor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/model/safetensors.hpp"
#include "trainer/network/answers.hpp"
#include "trainer/network/network_module.hpp"

namespace mlpipe {

struct Predictor::Loaded {
  Model model;
  NetworkModule module;
  bool images;
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

}  // namespace

Predictor Predictor::load(const std::filesystem::path& model_directory) {
  Model model = read_model(model_directory);
  const std::filesystem::path path = model_directory / model.weights_name;
  const std::string bytes = read_file(path);
  const Digest digest = digest_of(bytes);
  if (model.weights.is_zero()) {
    model.weights = digest;
  }
  if (digest != model.weights) {
    throw Error(fmt::format("{}: its SHA-256 is {}…, and {} says {}…", path.string(), digest.short_hex(),
                            model_file, model.weights.short_hex()),
                "the file was changed or damaged: take the model again from where it came");
  }
  NetworkModule module(model.network);
  module.load(parse_safetensors(bytes, path.string()), path.string());
  module.evaluate();
  for (const at::Tensor& parameter : module.parameters()) {
    parameter.set_requires_grad(false);
  }
  const bool images = works_on_images(model.network);
  if (images) {
    module.use_channels_last();
  }
  return Predictor(std::make_unique<Loaded>(std::move(model), std::move(module), images));
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
  return answers_of(model, rows, count, [&](at::Tensor batch) {
    if (loaded_->images) {
      batch = batch.contiguous(at::MemoryFormat::ChannelsLast);
    }
    return loaded_->module.forward(batch);  // in evaluation mode it changes nothing: threads may share it
  });
}

}  // namespace mlpipe
