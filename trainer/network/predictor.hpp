#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/model/model.hpp"

namespace mlpipe {

// A model artifact, loaded and ready to answer. The header is free of libtorch. Thread-safe: any number of
// threads may call predict at once.
class Predictor {
 public:
  // Reads model.yaml and the weights; throws Error that names what is missing, damaged or does not fit.
  static Predictor load(const std::filesystem::path& model_directory);
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;
  ~Predictor();

  const Model& model() const;

  // rows: FP32 [count, model().values()], row-major, raw: in the data's own units, a category as its index
  // (preprocessing happens here). Returns FP32 [count, labels]: probabilities, that sum to 1 in each row, of
  // the labels (classification, binary), their margins (svm), or the targets in their own units (regression).
  // Throws UsageError for a value that is no index where the network begins with an embedding.
  std::vector<float> predict(std::span<const float> rows, std::size_t count) const;

 private:
  struct Loaded;
  explicit Predictor(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace mlpipe
