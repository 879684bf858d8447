#include "trainer/network/answers.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_at_once = 256;  // bounds the memory of a large request; more at once is not faster

// [batch, network outputs] → [batch, labels], as the task has it.
at::Tensor scores_of(const Model& model, const at::Tensor& output) {
  switch (model.task) {
    case Task::classification:
      return output.softmax(1);
    case Task::binary:
      return at::cat({output.neg().sigmoid_(), output.sigmoid()}, 1);
    case Task::regression:
      if (!model.target.offset.empty()) {
        const auto row = [](const std::vector<float>& values) {
          return at::from_blob(const_cast<float*>(values.data()),
                               {1, static_cast<std::int64_t>(values.size())}, at::kFloat);
        };
        return output.mul(row(model.target.divisor)).add_(row(model.target.offset));
      }
      return output;
    case Task::svm:
      break;
  }
  return output;
}

void require_outputs(const Model& model, const at::Tensor& output, std::size_t count) {
  const std::int64_t wanted =
      network_outputs(model.task, static_cast<std::int64_t>(model.labels.size())).value_or(0);
  const Shape shape(output.sizes().begin(), output.sizes().end());
  if (shape != Shape{static_cast<std::int64_t>(count), wanted}) {
    throw Error(fmt::format("the network gives {} for {} examples, and a {} with {} labels takes [{}, {}]",
                            shape_text(shape), count, task_name(model.task), model.labels.size(), count,
                            wanted));
  }
}

}  // namespace

std::vector<float> answers_of(const Model& model, std::span<const float> rows, std::size_t count,
                              const Forward& forward) {
  const std::size_t values = model.values();
  if (rows.size() != count * values) {
    throw Error(
        fmt::format("{} rows of {} values were announced, and {} values came", count, values, rows.size()));
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
    at::Tensor batch = at::empty(shape, at::kFloat);
    model.preprocessing.apply(rows.subspan(start * values, size * values),
                              {batch.mutable_data_ptr<float>(), size * encoded}, values);
    const at::Tensor output = forward(std::move(batch));
    require_outputs(model, output, size);
    const at::Tensor answers = scores_of(model, output).to(at::kFloat).contiguous();
    const auto* first = answers.const_data_ptr<float>();
    scores.insert(scores.end(), first, first + answers.numel());
  }
  return scores;
}

}  // namespace mlpipe
