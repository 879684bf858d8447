// What the cluster's tests stand on: images of this machine's programs run in pods of a restricted namespace.
#include <fmt/format.h>

#include "tests/cluster/packed_image.hpp"

namespace mlpipe {
namespace {

// A pod that Pod Security lets pass, and its only container.
Json pod_of(const std::string& name, const Json& container) {
  Json only = container;
  only["name"] = "only";
  only["securityContext"] = {{"allowPrivilegeEscalation", false},
                             {"readOnlyRootFilesystem", true},
                             {"capabilities", {{"drop", {"ALL"}}}}};
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", name}}},
          {"spec",
           {{"restartPolicy", "Never"},
            {"automountServiceAccountToken", false},
            {"securityContext", {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}}},
            {"containers", {only}}}}};
}

class Fixture : public ClusterImageTest {};

TEST_F(Fixture, ProgramsOfThisMachineRunInPods) {
  const Cluster cluster("fixture");
  const TestRegistry registry;
  const std::string jobs = push_packed(registry, "jobs", packed_jobs());
  cluster.apply(
      pod_of("jobs", {{"image", jobs}, {"command", {"sh", "-c", "id -u; perl -e 'print 6*7, qq(\\n)'"}}})
          .dump());
  const std::string agent = push_packed(registry, "agent", packed_agent());
  cluster.apply(pod_of("agent", {{"image", agent}, {"command", {"mlpipe-registry", "--help"}}}).dump());
  for (const char* pod : {"pod/jobs", "pod/agent"}) {
    cluster.wait_for(pod, "jsonpath={.status.phase}=Succeeded");
  }
  EXPECT_EQ(cluster.ask({"logs", "jobs"}), "65532\n42\n");
  EXPECT_TRUE(has(cluster.ask({"logs", "agent"}), "push"));
}

TEST_F(Fixture, EqualImagesHaveEqualNames) {
  const TestRegistry registry;
  EXPECT_EQ(push_packed(registry, "jobs", packed_jobs()), push_packed(registry, "jobs", packed_jobs()));
}

TEST_F(Fixture, TheNamespaceTakesNoPodThatIsNotRestricted) {
  const Cluster cluster("restricted");
  Json pod = pod_of("root", {{"image", "none"}});
  pod["spec"]["securityContext"] = Json::object();
  const Captured refused = cluster.run({"apply", "--filename=-"}, pod.dump());
  EXPECT_FALSE(refused.ending.succeeded());
  EXPECT_TRUE(has(refused.error, "violates PodSecurity \"restricted"));
}

TEST_F(Fixture, AnAccountMayDoWhatItsRolesSay) {
  const Cluster cluster("account");
  cluster.ask({"create", "serviceaccount", "nobody"});
  const std::string kubeconfig = "--kubeconfig=" + cluster.kubeconfig_of("nobody").string();
  const Captured refused = cluster.run({kubeconfig, "get", "pods"});
  EXPECT_TRUE(has(refused.error, "pods is forbidden"));
}

TEST_F(Fixture, PodsReachTheRegistryUnderItsNameForPods) {
  const Cluster cluster("reach");
  const TestRegistry registry;
  const std::string agent = push_packed(registry, "agent", packed_agent());
  const std::string url = "oci://" + registry.for_pods() + "/results";
  Json container = {{"image", agent}, {"command", {"mlpipe-registry", "remote", url}}, {"stdin", false}};
  for (const auto& [name, value] : registry.environment()) {
    container["env"].push_back({{"name", name}, {"value", value}});
  }
  cluster.apply(pod_of("reach", container).dump());
  cluster.wait_for("pod/reach", "jsonpath={.status.phase}=Succeeded");
}

}  // namespace
}  // namespace mlpipe
