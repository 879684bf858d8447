#include <algorithm>
#include <numeric>

#include "server/protocol/inference_call.hpp"
#include "server/protocol/input.hpp"
#include "server/protocol/json.hpp"
#include "server/protocol/operations.hpp"
#include "server/protocol/picture.hpp"
#include "server/protocol/routes.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_classes = 5;

// [{"Class":"cat","Score":0.98},…], the best first.
Response write_classes(const Model& model, std::span<const float> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t one, std::size_t other) { return scores[one] > scores[other]; });
  order.resize(std::min(order.size(), most_classes));
  JsonBuffer out;
  out.push_back('[');
  for (const std::size_t label : order) {
    append_raw(out, label == order.front() ? R"({"Class":)" : R"(,{"Class":)");
    append_text(out, model.labels[label]);
    append_raw(out, R"(,"Score":)");
    append_number(out, scores[label]);
    out.push_back('}');
  }
  out.push_back(']');
  return json_response(out);
}

InferenceCall read_upload(const std::shared_ptr<const ModelVersion>& version, const Request& request) {
  if (version->model().task == Task::regression) {
    throw RequestError(400,
                       "the model '" + version->model().name + "' has targets and no classes, use /predict/");
  }
  InferenceCall call{picture_example(version->model(), request), {}};
  call.write = [version](const Inference& inference) {
    return write_classes(version->model(), inference.scores);
  };
  return call;
}

}  // namespace

std::vector<Route> classify_routes(Engine& engine) {
  return {{"POST", "/classify",
           [&engine](const Request& request, const PathValues&, const Respond& respond) {
             const std::shared_ptr<const ModelVersion> version = serving_version(engine);
             answer_inference(
                 version, request, [&] { return read_upload(version, request); }, respond);
           },
           operation::classify}};
}

}  // namespace mlpipe
