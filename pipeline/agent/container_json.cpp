#include "pipeline/agent/container_json.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/json_number.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

EngineKind engine_from(const std::string& name) {
  for (const EngineKind kind : {EngineKind::docker, EngineKind::podman}) {
    if (name == name_of(kind)) {
      return kind;
    }
  }
  throw Error(fmt::format("there is no container engine '{}'", name));
}

std::uint64_t bytes_from(const Json& json) {
  return whole_number<std::uint64_t>(json, 0, std::numeric_limits<std::uint64_t>::max());
}

}  // namespace

Json container_to_json(const JobContainer& container) {
  const ContainerRun& run = container.run;
  Json mounts = Json::array();
  for (const Mount& mount : run.mounts) {
    mounts.push_back(
        {{"source", mount.source.string()}, {"target", mount.target}, {"writable", mount.writable}});
  }
  return {{"engine", name_of(run.engine)},
          {"engine_program", container.engine_program.string()},
          {"image", run.image},
          {"name", run.name},
          {"labels", run.labels},
          {"mounts", mounts},
          {"user", run.user},
          {"keep_user_namespace", run.keep_user_namespace},
          {"network", run.network},
          {"memory", run.memory},
          {"shared_memory", run.shared_memory},
          {"cpu", run.cpu},
          {"gpus", run.gpus}};
}

JobContainer container_from_json(const Json& json) {
  JobContainer container;
  ContainerRun& run = container.run;
  run.engine = engine_from(json.at("engine"));
  container.engine_program = json.at("engine_program").get<std::string>();
  json.at("image").get_to(run.image);
  json.at("name").get_to(run.name);
  json.at("labels").get_to(run.labels);
  for (const Json& mount : json.at("mounts")) {
    run.mounts.push_back({mount.at("source").get<std::string>(), mount.at("target"), mount.at("writable")});
  }
  json.at("user").get_to(run.user);
  json.at("keep_user_namespace").get_to(run.keep_user_namespace);
  json.at("network").get_to(run.network);
  run.memory = bytes_from(json.at("memory"));
  run.shared_memory = bytes_from(json.at("shared_memory"));
  run.cpu = whole_number<std::int64_t>(json.at("cpu"), 0, std::numeric_limits<std::int64_t>::max());
  json.at("gpus").get_to(run.gpus);
  return container;
}

}  // namespace mlpipe
