#include "pipeline/cluster/pod_order.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

PodOrder full_order() {
  PodOrder order;
  order.name = "mlpipe-0123";
  order.number = 2;
  order.anew = true;
  order.key = "0123456789";
  order.pipeline = "digits";
  order.step = "train";
  order.image = {"sha256:aa", "trainer"};
  order.agent = {"", "registry/agent@sha256:bb"};
  order.inputs = {{"inputs/data/rows", "/store/rows", true}};
  order.outs = {"model", "report"};
  order.cpu = 1500;
  order.memory = std::uint64_t{3} << 32U;
  order.gpu = 1;
  order.nodes = 2;
  order.cluster_secrets = {{"TOKEN", "token"}};
  order.place.name_space = "team";
  order.place.service_account = "trainer";
  order.place.image_pull_secrets = {"pull"};
  order.place.node_selector = {{"disk", "fast"}};
  order.place.tolerations = {{"gpu", "Exists", "", "NoExecute", 30}, {"a", "Equal", "b", ""}};
  order.place.priority_class = "low";
  order.place.queue = "queue";
  order.place.user = 1000;
  order.place.labels = {{"team", "ml"}};
  order.place.annotations = {{"note", "x"}};
  return order;
}

TEST(PodOrder, IsReadAsItWasWritten) {
  const TemporaryDirectory folder;
  for (const PodOrder& order : {PodOrder(), full_order()}) {
    write_pod_order(folder.path(), order);
    EXPECT_EQ(read_pod_order(folder.path()), order);
  }
}

// Another version of mlpipe may have written it.
TEST(PodOrder, HasTheseNamesInItsFile) {
  const TemporaryDirectory folder;
  PodOrder order = full_order();
  order.place.user.reset();
  write_pod_order(folder.path(), order);
  EXPECT_EQ(Json::parse(read_file(folder.path() / "pod.json")), Json::parse(R"({
    "name": "mlpipe-0123", "number": 2, "anew": true, "key": "0123456789", "pipeline": "digits", "step": "train",
    "image": {"id": "sha256:aa", "name": "trainer"}, "agent": {"id": "", "name": "registry/agent@sha256:bb"},
    "inputs": [{"path": "inputs/data/rows", "source": "/store/rows", "folder": true}],
    "outs": ["model", "report"], "cpu": 1500, "memory": 12884901888, "gpu": 1, "nodes": 2,
    "cluster_secrets": {"TOKEN": "token"},
    "place": {
      "namespace": "team", "service_account": "trainer", "image_pull_secrets": ["pull"],
      "node_selector": {"disk": "fast"},
      "tolerations": [{"key": "gpu", "operation": "Exists", "value": "", "effect": "NoExecute", "seconds": 30},
                      {"key": "a", "operation": "Equal", "value": "b", "effect": ""}],
      "priority_class": "low", "queue": "queue", "labels": {"team": "ml"}, "annotations": {"note": "x"}}})"));
  EXPECT_EQ(read_pod_order(folder.path()), order);
}

TEST(PodOrder, ThatIsDamagedIsSaid) {
  const TemporaryDirectory folder;
  for (const char* text : {"", "[]", "{\"name\":\"x\"}", "{\"name\":5}"}) {
    write_file_atomically(folder.path() / "pod.json", text);
    EXPECT_THROW(read_pod_order(folder.path()), Error) << text;
  }
}

}  // namespace
}  // namespace mlpipe
