// k8s/: what kubectl alone deploys.
#include <fmt/format.h>

#include "pipeline/oci/model_image.hpp"
#include "pipeline/oci/reference.hpp"
#include "tests/cluster/definitions.hpp"
#include "tests/cluster/overlay.hpp"
#include "tests/cluster/packed_image.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace {

class ShippedOverlay : public ClusterTest, public testing::WithParamInterface<std::string> {};

TEST_P(ShippedOverlay, IsAcceptedByTheApiServer) {
  const Cluster cluster("overlay-" + GetParam());
  const CustomDefinitions definitions(cluster);
  // What Pod Security would refuse, it says of Deployments and Jobs only as a warning.
  cluster.ask({"label", "namespace", cluster.name_space(), "pod-security.kubernetes.io/warn=restricted"});
  const Overlay overlay({"overlays/" + GetParam()}, cluster.name_space());
  for (const char* side : {"--server-side=true", "--server-side=false"}) {
    const Captured applied =
        cluster.run({"apply", side, "--dry-run=server", "--validate=strict", overlay.argument()});
    EXPECT_TRUE(exits(applied, 0));
    EXPECT_TRUE(has_not(applied.error, "PodSecurity"));
    for (const char* object : {"deployment.apps/model-server", "cronjob.batch/mlpipe-retrain",
                               "role.rbac.authorization.k8s.io/"}) {
      EXPECT_TRUE(has(applied.output, object));
    }
  }
}

std::string name_of_overlay(const testing::TestParamInfo<std::string>& overlay) {
  return overlay.param;
}

INSTANTIATE_TEST_SUITE_P(Stack, ShippedOverlay, testing::Values("dev", "gpu", "openshift", "monitoring"),
                         name_of_overlay);

class ServedByKubectl : public ClusterImageTest {
 protected:
  // An image as `mlpipe models push --server` makes it: one more layer on the server's.
  static std::string push_model(const TestRegistry& registry, const std::string& server,
                                const std::string& label) {
    const TemporaryDirectory folder;
    write_tiny_model(folder.path() / "model", label);
    const ModelLayer layer = write_model_layer(folder.path() / "model", folder.path() / "layer.tar");
    RegistryClient client(registry.for_nodes(), own_environment());
    ImageReference target = parse_reference(registry.for_nodes() + "/colors:" + label);
    const PushedImage pushed =
        push_model_image(client, parse_reference(server), client, target, layer, {}, {}, folder.path());
    return digest_text(pushed.manifest);
  }

  static void roll_out(const Cluster& cluster, const TestRegistry& registry, const std::string& digest) {
    const Overlay overlay({"overlays/dev"}, cluster.name_space(),
                          fmt::format("images: [{{ name: registry.example/team/digits, newName: {}/colors, "
                                      "digest: '{}' }}]\n",
                                      registry.for_nodes(), digest));
    cluster.ask({"apply", overlay.argument()});
    cluster.ask({"rollout", "status", "deployment/model-server", "--timeout=180s"});
  }

  // What the Service answers, through the API server: from wherever the test runs.
  static Json answer(const Cluster& cluster) {
    return Json::parse(cluster.ask(
        {"create",
         "--raw=/api/v1/namespaces/" + cluster.name_space() + "/services/model-server:http/proxy/predict",
         "--filename=-"},
        R"({"data":[0.1,0.2,0.3,0.4]})"));
  }
};

TEST_F(ServedByKubectl, TheDevOverlayServesAModelAndThenAnother) {
  const Cluster cluster("served");
  const TestRegistry registry;
  const std::string server = push_packed(registry, "server", packed_server());
  roll_out(cluster, registry, push_model(registry, server, "red"));
  EXPECT_EQ(answer(cluster).at("prediction"), "red");
  roll_out(cluster, registry, push_model(registry, server, "green"));
  EXPECT_EQ(answer(cluster).at("prediction"), "green");
  EXPECT_EQ(cluster.get({"cronjob/mlpipe-retrain"}).at("spec").at("suspend"), true);
  EXPECT_EQ(cluster.get({"jobs"}).at("items").size(), 0U);
}

}  // namespace
}  // namespace mlpipe
