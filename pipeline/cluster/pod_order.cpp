#include "pipeline/cluster/pod_order.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/cluster/place_json.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* file_name = "pod.json";

Json image_to_json(const OrderedImage& image) {
  return {{"id", image.id}, {"name", image.name}};
}

OrderedImage image_from_json(const Json& json) {
  return {json.at("id"), json.at("name")};
}

}  // namespace

void write_pod_order(const fs::path& job_directory, const PodOrder& order) {
  Json inputs = Json::array();
  for (const OrderedInput& input : order.inputs) {
    inputs.push_back({{"path", input.path}, {"source", input.source.string()}, {"folder", input.folder}});
  }
  const Json json = {{"name", order.name},
                     {"number", order.number},
                     {"anew", order.anew},
                     {"key", order.key},
                     {"pipeline", order.pipeline},
                     {"step", order.step},
                     {"image", image_to_json(order.image)},
                     {"agent", image_to_json(order.agent)},
                     {"inputs", inputs},
                     {"outs", order.outs},
                     {"cpu", order.cpu},
                     {"memory", order.memory},
                     {"gpu", order.gpu},
                     {"nodes", order.nodes},
                     {"cluster_secrets", order.cluster_secrets},
                     {"place", place_to_json(order.place)}};
  write_file_atomically(job_directory / file_name, json.dump() + "\n", 0644, Durability::later);
}

PodOrder read_pod_order(const fs::path& job_directory) {
  const fs::path file = job_directory / file_name;
  try {
    const Json json = Json::parse(read_file(file));
    PodOrder order;
    json.at("name").get_to(order.name);
    json.at("number").get_to(order.number);
    json.at("anew").get_to(order.anew);
    json.at("key").get_to(order.key);
    json.at("pipeline").get_to(order.pipeline);
    json.at("step").get_to(order.step);
    order.image = image_from_json(json.at("image"));
    order.agent = image_from_json(json.at("agent"));
    for (const Json& input : json.at("inputs")) {
      order.inputs.push_back({input.at("path"), input.at("source").get<std::string>(), input.at("folder")});
    }
    json.at("outs").get_to(order.outs);
    json.at("cpu").get_to(order.cpu);
    json.at("memory").get_to(order.memory);
    json.at("gpu").get_to(order.gpu);
    json.at("nodes").get_to(order.nodes);
    json.at("cluster_secrets").get_to(order.cluster_secrets);
    order.place = place_from_json(json.at("place"));
    return order;
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{} is damaged: {}", file.string(), error.what()));
  }
}

}  // namespace mlpipe
