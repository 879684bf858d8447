#include "server/protocol/v2/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "pipeline/base/text.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t longest_shown = 100;

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw RequestError(400, fmt::format("{}: {}", place, what));
}

std::string shown(const std::string& text) {
  return printable(text.substr(0, longest_shown));
}

// A parameter that is a truth value, where it is given.
std::optional<bool> flag(const InferParameters& parameters, const char* name, const std::string& place) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) {
    return std::nullopt;
  }
  const auto* value = std::get_if<bool>(&found->second);
  if (value == nullptr) {
    refuse(fmt::format("{}parameters.{}", place, name), "true or false is expected");
  }
  return *value;
}

// A parameter that is a whole number from `least` up, where it is given.
std::optional<std::int64_t> whole(const InferParameters& parameters, const char* name, std::int64_t least,
                                  const std::string& place) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) {
    return std::nullopt;
  }
  const auto* value = std::get_if<std::int64_t>(&found->second);
  if (value == nullptr || *value < least) {
    refuse(fmt::format("{}parameters.{}", place, name),
           fmt::format("a whole number from {} is expected", least));
  }
  return *value;
}

WantedOutput::Kind kind_of(const Model& model, const InferWish& wish, const std::string& place) {
  if (wish.name.empty()) {
    refuse(place + ".name", "it is missing");
  }
  if (wish.name == scores_output) {
    return WantedOutput::Kind::scores;
  }
  if (wish.name == label_output && has_label(model)) {
    return WantedOutput::Kind::label;
  }
  refuse(place + ".name", fmt::format("'{}' is unknown, {}", shown(wish.name),
                                      has_label(model) ? "the outputs are 'scores' and 'label'"
                                                       : "the only output is 'scores'"));
}

// As Triton has it: "classification": n asks for the n best labels in place of the output's numbers.
std::size_t best_wanted(const Model& model, const InferWish& wish, WantedOutput::Kind kind,
                        const std::string& place) {
  const auto best = whole(wish.parameters, "classification", 1, place + ".");
  if (!best) {
    return 0;
  }
  if (kind != WantedOutput::Kind::scores || !has_label(model)) {
    refuse(place + ".parameters.classification", has_label(model)
                                                     ? "'label' is no list of scores, ask for it of 'scores'"
                                                     : "the targets of a regression are no classes");
  }
  return std::min(static_cast<std::size_t>(*best), model.labels.size());
}

std::vector<WantedOutput> wanted_outputs(const Model& model, const InferRequest& request) {
  const bool is_binary = flag(request.parameters, "binary_data_output", "").value_or(false);
  std::vector<WantedOutput> wanted;
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    const InferWish& wish = request.outputs[i];
    const std::string place = fmt::format("outputs[{}]", i);
    const WantedOutput::Kind kind = kind_of(model, wish, place);
    if (wish.parameters.contains("shared_memory_region")) {
      refuse(place + ".parameters.shared_memory_region", "shared memory is not offered here");
    }
    if (std::any_of(wanted.begin(), wanted.end(), [&](const auto& each) { return each.kind == kind; })) {
      refuse(place + ".name", fmt::format("'{}' is given twice", wish.name));
    }
    wanted.push_back({kind, best_wanted(model, wish, kind, place),
                      flag(wish.parameters, "binary_data", place + ".").value_or(is_binary)});
  }
  if (wanted.empty()) {
    wanted.push_back({WantedOutput::Kind::scores, 0, is_binary});
    if (has_label(model)) {
      wanted.push_back({WantedOutput::Kind::label, 0, is_binary});
    }
  }
  return wanted;
}

// The number of examples that the shape announces, when the rest of it is an example of the model.
std::size_t count_in_shape(const Model& model, const Shape& shape) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) {
      refuse(fmt::format("inputs[0].shape[{}]", i), "a whole number from 0 is expected");
    }
  }
  if (shape.size() != model.input_shape.size() + 1 ||
      !std::equal(model.input_shape.begin(), model.input_shape.end(), shape.begin() + 1)) {
    const std::span<const std::int64_t> some(shape.begin(), std::min<std::size_t>(shape.size(), 16));
    refuse("inputs[0].shape",
           fmt::format("[{}{}] does not fit [-1, {}]", fmt::join(some, ", "),
                       some.size() < shape.size() ? ", …" : "", fmt::join(model.input_shape, ", ")));
  }
  const auto count = static_cast<std::size_t>(shape[0]);
  require_example_count(model, count, "inputs[0].shape[0]");
  return count;
}

// Flat, or nested as the shape says.
std::vector<float> values_of(NumberBlock& block, const InferInput& input, std::size_t count) {
  const Shape flat = {static_cast<std::int64_t>(count)};
  if (block.shape != flat && block.shape != input.shape) {
    refuse(input.data_place, fmt::format("its shape is {}, inputs[0].shape says {}", shape_text(block.shape),
                                         shape_text(input.shape)));
  }
  return std::move(block.values);
}

std::vector<float> values_of(const RawNumbers& numbers, const InferInput& input, std::size_t count) {
  const std::size_t size = entry_of(numbers.type).size;
  if (numbers.bytes.size() != count * size) {
    refuse(input.data_place, fmt::format("it holds {} bytes, {} of shape {} take {}", numbers.bytes.size(),
                                         input.datatype, shape_text(input.shape), count * size));
  }
  return fp32_values(numbers, input.data_place);
}

std::vector<float> rows_of(const Model& model, InferInput& input, Datatype type, std::size_t examples) {
  const std::size_t count = examples * model.values();  // both are bounded: of examples, of a model
  auto* block = std::get_if<NumberBlock>(&input.data);
  const auto* raw = std::get_if<RawNumbers>(&input.data);
  std::vector<float> rows =
      block != nullptr ? values_of(*block, input, count) : values_of(*raw, input, count);
  if (block != nullptr || raw->type != type) {
    require_datatype(rows, type, input.data_place);
  }
  require_indices(model, rows, input.data_place);
  return rows;
}

InferInput& only_input(const Model& model, InferRequest& request) {
  if (request.inputs.size() != 1) {
    refuse("inputs",
           fmt::format("{} were sent, the model takes one, '{}'", request.inputs.size(), model.input_name));
  }
  InferInput& input = request.inputs.front();
  if (input.name.empty()) {
    refuse("inputs[0].name", "it is missing");
  }
  if (input.name != model.input_name) {
    refuse("inputs[0].name",
           fmt::format("'{}' is unknown, the model's input is '{}'", shown(input.name), model.input_name));
  }
  return input;
}

Datatype datatype_of(const InferInput& input) {
  if (input.datatype.empty()) {
    refuse("inputs[0].datatype", "it is missing");
  }
  const std::optional<Datatype> type = datatype_named(input.datatype);
  if (!type) {
    refuse("inputs[0].datatype", fmt::format("'{}' was sent, the model takes FP32", shown(input.datatype)));
  }
  return *type;
}

// "0.75:2:cat", the best first.
std::vector<std::string> best_of(const Model& model, std::span<const float> scores, std::size_t best) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(best), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
                    });
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < best; ++i) {
    texts.push_back(fmt::format("{}:{}:{}", scores[order[i]], order[i], model.labels[order[i]]));
  }
  return texts;
}

InferOutput output_of(const Model& model, const WantedOutput& wanted, std::size_t count,
                      std::span<const float> scores) {
  const std::size_t classes = model.labels.size();
  const auto examples = static_cast<std::int64_t>(count);
  const bool is_label = wanted.kind == WantedOutput::Kind::label;
  if (!is_label && wanted.best == 0) {
    return {scores_output, "FP32", {examples, static_cast<std::int64_t>(classes)}, scores, wanted.is_binary};
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const float> row = scores.subspan(i * classes, classes);
    if (is_label) {
      texts.push_back(model.labels[best_label(row)]);
    } else {
      std::vector<std::string> best = best_of(model, row, wanted.best);
      std::move(best.begin(), best.end(), std::back_inserter(texts));
    }
  }
  if (is_label) {
    return {label_output, "BYTES", {examples}, std::move(texts), wanted.is_binary};
  }
  return {scores_output,
          "BYTES",
          {examples, static_cast<std::int64_t>(wanted.best)},
          std::move(texts),
          wanted.is_binary};
}

}  // namespace

CheckedRequest check_request(const Model& model, InferRequest&& request) {
  CheckedRequest checked;
  checked.wanted = wanted_outputs(model, request);
  // Triton's: how long the request may wait, in microseconds; 0 is as long as it takes.
  const std::int64_t timeout = whole(request.parameters, "timeout", 0, "").value_or(0);
  if (timeout > 0) {
    checked.timeout = std::chrono::microseconds(timeout);
  }
  InferInput& input = only_input(model, request);
  const Datatype type = datatype_of(input);
  if (input.shape.empty()) {
    refuse("inputs[0].shape", "it is missing");
  }
  checked.count = count_in_shape(model, input.shape);
  if (std::holds_alternative<std::monostate>(input.data)) {
    refuse(input.data_place, "it is missing");
  }
  checked.rows = rows_of(model, input, type, checked.count);
  checked.data_place = input.data_place;
  return checked;
}

std::vector<InferOutput> outputs_of(const Model& model, const CheckedRequest& request,
                                    std::span<const float> scores) {
  std::vector<InferOutput> outputs;
  for (const WantedOutput& wanted : request.wanted) {
    outputs.push_back(output_of(model, wanted, request.count, scores));
  }
  return outputs;
}

}  // namespace mlpipe
