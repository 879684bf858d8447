#include "server/model/predictor_model.hpp"

#include <fmt/format.h>

#include <utility>

#include "pipeline/base/error.hpp"
#include "server/model/model_digest.hpp"
#include "trainer/network/predictor.hpp"

namespace mlpipe {
namespace {

class PredictorModel : public Servable {
 public:
  PredictorModel(Predictor predictor, const Digest& digest)
      : predictor_(std::move(predictor)), digest_(digest) {}

  const Model& model() const override { return predictor_.model(); }
  Digest digest() const override { return digest_; }
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const override {
    return predictor_.predict(rows, count);
  }

 private:
  Predictor predictor_;
  Digest digest_;
};

}  // namespace

std::unique_ptr<const Servable> load_predictor_model(const std::filesystem::path& directory) {
  const std::filesystem::path description = directory / model_file;
  const Digest digest = digest_of_file(description);
  Predictor predictor = Predictor::load(directory);
  if (digest_of_file(description) != digest) {
    throw Error(fmt::format("{} was changed while it was being read", description.string()));
  }
  const Digest whole = digest_of_model(read_model(directory), digest, predictor.model().weights);
  return std::make_unique<PredictorModel>(std::move(predictor), whole);
}

}  // namespace mlpipe
