#include "pipeline/cluster/place_json.hpp"

#include <nlohmann/json.hpp>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

}  // namespace

Json place_to_json(const ClusterPlace& place) {
  Json tolerations = Json::array();
  for (const Toleration& toleration : place.tolerations) {
    Json json = {{"key", toleration.key},
                 {"operation", toleration.operation},
                 {"value", toleration.value},
                 {"effect", toleration.effect}};
    if (toleration.seconds) {
      json["seconds"] = *toleration.seconds;
    }
    tolerations.push_back(std::move(json));
  }
  Json json = {{"namespace", place.name_space},
               {"service_account", place.service_account},
               {"image_pull_secrets", place.image_pull_secrets},
               {"node_selector", place.node_selector},
               {"tolerations", tolerations},
               {"priority_class", place.priority_class},
               {"queue", place.queue},
               {"labels", place.labels},
               {"annotations", place.annotations}};
  if (place.user) {
    json["user"] = *place.user;
  }
  return json;
}

ClusterPlace place_from_json(const Json& json) {
  ClusterPlace place;
  json.at("namespace").get_to(place.name_space);
  json.at("service_account").get_to(place.service_account);
  json.at("image_pull_secrets").get_to(place.image_pull_secrets);
  json.at("node_selector").get_to(place.node_selector);
  for (const Json& item : json.at("tolerations")) {
    Toleration toleration{item.at("key"), item.at("operation"), item.at("value"), item.at("effect")};
    if (item.contains("seconds")) {
      toleration.seconds = item["seconds"].get<std::int64_t>();
    }
    place.tolerations.push_back(std::move(toleration));
  }
  json.at("priority_class").get_to(place.priority_class);
  json.at("queue").get_to(place.queue);
  json.at("labels").get_to(place.labels);
  json.at("annotations").get_to(place.annotations);
  place.user.reset();
  if (json.contains("user")) {
    place.user = json["user"].get<std::int64_t>();
  }
  return place;
}

}  // namespace mlpipe
