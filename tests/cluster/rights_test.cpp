// k8s/base/rights: what mlpipe may do in a namespace is what it does there, and nothing beyond.
#include <fmt/format.h>

#include <set>
#include <sstream>

#include "tests/cluster/cluster.hpp"
#include "tests/cluster/overlay.hpp"

namespace mlpipe {
namespace {

using Rights = std::set<std::string>;  // "verb resource.group"

// What mlpipe asks of the API server: the verbs, and what of.
struct Used {
  const char* what_for;
  const char* verbs;
  const char* resources;
};

constexpr Used steps[] = {
    {"a step's Job, and its end", "create get list watch delete", "jobs.batch"},
    {"its pods, and why they wait", "get list watch", "pods"},
    {"its log", "get", "pods/log"},
    {"why it waits", "list watch", "events"},
    {"what it owns", "create delete", "secrets services"},
};

constexpr Used volumes[] = {
    {"a process in the pod that has the volume", "create get", "pods/exec"},
};

constexpr Used deployments[] = {
    {"a deployment", "create get list watch patch delete", "deployments.apps jobs.batch"},
    {"how far it is", "get list watch", "pods"},
    {"what servers said last", "get", "pods/log"},
    {"probes, and counts of a canary", "get create", "pods/proxy"},
    {"what belongs to it, and that it is gone", "create get list watch patch delete",
     "services configmaps serviceaccounts poddisruptionbudgets.policy horizontalpodautoscalers.autoscaling "
     "networkpolicies.networking.k8s.io ingresses.networking.k8s.io "
     "httproutes.gateway.networking.k8s.io routes.route.openshift.io"},
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

void add(Rights& rights, std::span<const Used> uses) {
  for (const Used& used : uses) {
    for (const std::string& verb : words(used.verbs)) {
      for (const std::string& resource : words(used.resources)) {
        rights.insert(verb + " " + resource);
      }
    }
  }
}

// What the API server lets the account do in the namespace, less what it lets everybody who is known.
Rights rights_of(const Cluster& cluster, const std::string& account, const std::string& name_space) {
  const Json review = {{"apiVersion", "authorization.k8s.io/v1"},
                       {"kind", "SelfSubjectRulesReview"},
                       {"spec", {{"namespace", name_space}}}};
  const Json answer =
      Json::parse(cluster.ask({"--kubeconfig=" + cluster.kubeconfig_of(account).string(), "create",
                               "--raw=/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "--filename=-"},
                              review.dump()));
  EXPECT_EQ(answer.at("status").at("incomplete"), false);
  Rights rights;
  for (const Json& rule : answer.at("status").at("resourceRules")) {
    for (const std::string group : rule.at("apiGroups")) {
      for (const std::string resource : rule.at("resources")) {
        for (const std::string verb : rule.at("verbs")) {
          if (group != "authorization.k8s.io" && group != "authentication.k8s.io") {
            rights.insert(fmt::format("{} {}{}{}", verb, resource, group.empty() ? "" : ".", group));
          }
        }
      }
    }
  }
  return rights;
}

class Role : public ClusterTest {
 protected:
  // `role`: "" for both that the kustomization gives.
  static Rights granted(const Cluster& cluster, const std::string& role) {
    const std::string rights = std::string(MLPIPE_REPOSITORY) + "/k8s/base/rights/";
    cluster.ask({"create", "serviceaccount", "mlpipe"});
    for (const char* each : {"steps", "deploy", "volume"}) {
      if (role == each || (role.empty() && std::string_view(each) != "volume")) {
        cluster.ask({"apply", "--filename=" + rights + "role-" + each + ".yaml"});
        cluster.ask({"create", "rolebinding", each, std::string("--role=mlpipe-") + each,
                     "--serviceaccount=" + cluster.name_space() + ":mlpipe"});
      }
    }
    return rights_of(cluster, "mlpipe", cluster.name_space());
  }
};

TEST_F(Role, OfStepsIsWhatStepsTake) {
  Rights used;
  add(used, steps);
  EXPECT_EQ(granted(Cluster("role-steps"), "steps"), used);
}

TEST_F(Role, OfDeploymentsIsWhatDeploymentsTake) {
  Rights used;
  add(used, deployments);
  EXPECT_EQ(granted(Cluster("role-deploy"), "deploy"), used);
}

TEST_F(Role, OfVolumesIsWhatAVolumeTakes) {
  Rights used;
  add(used, volumes);
  EXPECT_EQ(granted(Cluster("role-volume"), "volume"), used);
}

TEST_F(Role, BothReachNoOtherNamespace) {
  const Cluster cluster("role-both");
  const Cluster other("role-other");
  EXPECT_FALSE(granted(cluster, "").empty());
  EXPECT_EQ(rights_of(cluster, "mlpipe", other.name_space()), Rights());
}

TEST_F(Role, IsGivenToTheAccountOfTheKustomization) {
  const Cluster cluster("role-account");
  cluster.ask({"apply", Overlay({"base/rights"}, cluster.name_space()).argument()});
  Rights used;
  add(used, steps);
  add(used, deployments);
  EXPECT_EQ(rights_of(cluster, "mlpipe", cluster.name_space()), used);
}

}  // namespace
}  // namespace mlpipe
