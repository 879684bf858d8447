#include "pipeline/deploy/kubernetes_folder.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// Another version of mlpipe may have written it.
constexpr const char* record = R"({
  "pipeline": "digits", "alias": "prod", "context": "staging", "registry": "host/repository",
  "server": {"id": "sha256:aa", "name": "server"}, "replicas": 2, "most_replicas": 5,
  "cpu": 500, "memory": 1048576, "gpu": 1, "command": ["serve", "it"], "container_port": 9000,
  "place": {"namespace": "team", "service_account": "", "image_pull_secrets": [], "node_selector": {},
            "tolerations": [], "priority_class": "", "queue": "", "user": 65532, "labels": {}, "annotations": {}},
  "exposure": {"service": "NodePort", "node_port": 30000, "ingress_host": "a", "ingress_class": "b",
               "ingress_tls_secret": "c", "gateway": "d", "gateway_host": "e", "route_host": "f",
               "network_policy": false},
  "deadline_ms": 60000})";

TEST(KubernetesFolder, KeepsWhatIsDeployed) {
  const TemporaryDirectory root;
  const KubernetesFolder folder(root.path());
  EXPECT_FALSE(folder.has_record());
  write_file_atomically(root.path() / "serving.json", record);
  const KubernetesServing serving = folder.load();
  EXPECT_EQ(serving.alias, "prod");
  EXPECT_EQ(serving.server.id, "sha256:aa");
  EXPECT_EQ(serving.most_replicas, 5);
  EXPECT_EQ(serving.resources.gpu, 1);
  EXPECT_EQ(serving.exposure.node_port, 30000);
  EXPECT_EQ(serving.deadline, std::chrono::minutes(1));
  folder.save(serving);
  EXPECT_EQ(Json::parse(read_file(root.path() / "serving.json")), Json::parse(record));

  folder.save({});
  const KubernetesServing plain = folder.load();
  EXPECT_FALSE(plain.most_replicas || plain.resources.gpu || plain.exposure.node_port);
  EXPECT_EQ(plain.place, ClusterPlace());
  write_file_atomically(root.path() / "serving.json", "{\"alias\": 5}");
  EXPECT_THROW(folder.load(), Error);
}

}  // namespace
}  // namespace mlpipe
