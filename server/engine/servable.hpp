#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/model/model.hpp"

namespace mlpipe {

// A loaded model, as far as the engine needs to know it. Thread-safe.
class Servable {
 public:
  virtual ~Servable() = default;
  virtual const Model& model() const = 0;
  // Stands for the whole model: SHA-256 of model.yaml, which mostly names the weights by their digest.
  virtual Digest digest() const = 0;
  // rows: FP32 [count, values], raw: in the data's own units, a category as its index. Returns FP32 [count,
  // labels]: scores, margins or targets, as the task has it.
  virtual std::vector<float> predict(std::span<const float> rows, std::size_t count) const = 0;
};

// Reads a model directory; throws Error that says what is wrong with it.
using ModelLoader = std::function<std::unique_ptr<const Servable>(const std::filesystem::path& directory)>;

}  // namespace mlpipe
