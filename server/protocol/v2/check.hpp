#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/model/model.hpp"
#include "server/protocol/v2/infer.hpp"

namespace mlpipe {

inline constexpr const char* scores_output = "scores";
inline constexpr const char* label_output = "label";

// The targets of a regression are nothing to choose from.
inline bool has_label(const Model& model) {
  return model.task != Task::regression;
}

struct WantedOutput {
  enum class Kind { scores, label };
  Kind kind = Kind::scores;
  std::size_t best = 0;  // not 0: so many of the best labels in place of the scores
  bool is_binary = false;
};

// A request that the model can answer.
struct CheckedRequest {
  std::vector<float> rows;  // FP32 [count, values]
  std::size_t count = 0;
  std::vector<WantedOutput> wanted;
  std::optional<std::chrono::microseconds> timeout;
  std::string data_place;
};

// Throws RequestError 400 that names the field of whatever does not fit the model.
CheckedRequest check_request(const Model& model, InferRequest&& request);

// What the model's scores, FP32 [count, labels], are answered with. The answer looks into `scores`.
std::vector<InferOutput> outputs_of(const Model& model, const CheckedRequest& request,
                                    std::span<const float> scores);

}  // namespace mlpipe
