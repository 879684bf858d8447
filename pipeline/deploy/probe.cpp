#include "pipeline/deploy/probe.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// From 0 to 1. Not std::uniform_real_distribution, whose numbers differ from library to library.
double next_share(std::mt19937& generator) {
  return static_cast<double>(generator()) / static_cast<double>(std::mt19937::max());
}

double value_of(const Model& model, std::size_t index, std::mt19937& generator) {
  const double share = next_share(generator);
  if (index < model.columns.size()) {
    const Column& column = model.columns[index];
    if (!column.categories.empty()) {
      return static_cast<double>(generator() % column.categories.size());
    }
    return column.least + share * (static_cast<double>(column.most) - column.least);
  }
  return model.least + share * (static_cast<double>(model.most) - model.least);
}

}  // namespace

std::string probe_body(const Model& model, std::size_t number) {
  std::mt19937 generator(static_cast<std::mt19937::result_type>(number + 1));
  Json data = Json::array();
  for (std::size_t i = 0; i < model.values(); ++i) {
    data.push_back(value_of(model, i, generator));
  }
  Json shape = Json::array({1});
  for (const std::int64_t size : model.input_shape) {
    shape.push_back(size);
  }
  const Json input{{"name", model.input_name}, {"shape", shape}, {"datatype", "FP32"}, {"data", data}};
  return Json{{"inputs", Json::array({input})}}.dump();
}

std::string probe_path(const Model& model, const std::string& version) {
  return fmt::format("/v2/models/{}{}/infer", model.name,
                     version.empty() ? "" : fmt::format("/versions/{}", version));
}

}  // namespace mlpipe
