#include "pipeline/cluster/pod_order.hpp"

#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/cluster/place_json.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "pod.json";

}  // namespace

void each_member(OneOf<OrderedInput> auto& input, auto&& member) {
  member("path", input.path);
  member("source", input.source);
  member("folder", input.folder);
}
void each_member(OneOf<PodOrder> auto& order, auto&& member) {
  member("name", order.name);
  member("number", order.number);
  member("anew", order.anew);
  member("key", order.key);
  member("pipeline", order.pipeline);
  member("step", order.step);
  member("image", order.image);
  member("agent", order.agent);
  member("inputs", order.inputs);
  member("outs", order.outs);
  member("cpu", order.cpu);
  member("memory", order.memory);
  member("gpu", order.gpu);
  member("nodes", order.nodes);
  member("cluster_secrets", order.cluster_secrets);
  member("place", order.place);
}

void write_pod_order(const fs::path& job_directory, const PodOrder& order) {
  write_file_atomically(job_directory / file_name, json_of(order).dump() + "\n", 0644, Durability::later);
}

PodOrder read_pod_order(const fs::path& job_directory) {
  const fs::path file = job_directory / file_name;
  try {
    return from_json_of<PodOrder>(nlohmann::json::parse(read_file(file)));
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("{} is damaged: {}", file.string(), error.what()));
  }
}

}  // namespace mlpipe
