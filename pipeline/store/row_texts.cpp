#include "pipeline/store/row_texts.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/store/byte_count.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

template <typename Read>
auto parse(const std::string& text, const char* what, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& error) {
    throw Error(fmt::format("the store's index: a row's {} are damaged: {}", what, error.what()),
                "`mlpipe store verify` looks at the whole store");
  }
}

}  // namespace

std::string outputs_text(const std::vector<Output>& outputs) {
  Json list = Json::array();
  for (const Output& output : outputs) {
    list.push_back({{"name", output.name},
                    {"folder", output.folder},
                    {"digest", output.digest.hex()},
                    {"bytes", output.bytes}});
  }
  return list.dump();
}

std::vector<Output> parse_outputs(const std::string& text) {
  return parse(text, "outputs", [](const Json& list) {
    std::vector<Output> outputs;
    for (const Json& item : list) {
      outputs.push_back({item.at("name"), item.at("folder"),
                         Digest::from_hex(item.at("digest").get<std::string>()),
                         byte_count(item.at("bytes"))});
    }
    return outputs;
  });
}

std::string metrics_text(const std::map<std::string, double>& metrics) {
  return Json(metrics).dump();
}

std::map<std::string, double> parse_metrics(const std::string& text) {
  return parse(text, "metrics", [](const Json& json) { return json.get<std::map<std::string, double>>(); });
}

std::string params_text(const std::map<std::string, std::string>& params) {
  return Json(params).dump();
}

std::map<std::string, std::string> parse_params(const std::string& text) {
  return parse(text, "params",
               [](const Json& json) { return json.get<std::map<std::string, std::string>>(); });
}

}  // namespace mlpipe
