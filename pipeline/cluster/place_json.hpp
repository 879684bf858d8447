#pragma once

#include "pipeline/base/json_members.hpp"
#include "pipeline/cluster/place.hpp"
#include "pipeline/cluster/pod_order.hpp"

namespace mlpipe {

// What files have of it that a later command reads, a job's pod.json and a deployment's serving.json.
void each_member(OneOf<OrderedImage> auto& image, auto&& member) {
  member("id", image.id);
  member("name", image.name);
}
void each_member(OneOf<Toleration> auto& toleration, auto&& member) {
  member("key", toleration.key);
  member("operation", toleration.operation);
  member("value", toleration.value);
  member("effect", toleration.effect);
  member("seconds", toleration.seconds);
}
void each_member(OneOf<ClusterPlace> auto& place, auto&& member) {
  member("namespace", place.name_space);
  member("service_account", place.service_account);
  member("image_pull_secrets", place.image_pull_secrets);
  member("node_selector", place.node_selector);
  member("tolerations", place.tolerations);
  member("priority_class", place.priority_class);
  member("queue", place.queue);
  member("user", place.user);
  member("labels", place.labels);
  member("annotations", place.annotations);
}

}  // namespace mlpipe
