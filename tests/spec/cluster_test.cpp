#include <gtest/gtest.h>

#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Faults = std::vector<std::string>;

constexpr const char* pipeline = R"(name: digits
remote: oci://registry.example/team/results
runs-on: kubernetes
kubernetes:
  context: lab
  registry: registry.example/team
  remote: oci://registry.lab/team/results
  remote-secret: registry-login
  secrets: ours
  keep: 10m
  namespace: training
  node-selector: { disk: fast }
  tolerations: [{ key: gpu, operator: Exists, effect: NoSchedule }]
  queue: night
images:
  tools: { from: registry.example/tools:3 }
  both: { from: registry.example/both:1 }
steps:
  plain: { run: a }
  special:
    run: b
    image: tools
    kubernetes: { namespace: other, user: cluster, tolerations: [], priority-class: high }
  shared: { run: c, image: both }
  near: { run: d, image: both, runs-on: container }
  here: { run: e, outs: [m], runs-on: local }
model: { name: m, from: "${{ steps.here.outs.m }}" }
deploy:
  target: kubernetes
  replicas: { min: 2, max: 5 }
  resources: { cpu: 1 }
  kubernetes:
    namespace: serving
    service: NodePort
    node-port: 30080
    ingress: { host: digits.example, class: nginx, tls-secret: digits-tls }
    http-route: { gateway: infra/public }
    deadline: 3m
)";

Spec read(const std::string& text, const Adjustments& adjustments = {}) {
  return read_spec("/p/pipeline.yaml", parse_yaml("pipeline.yaml", text), adjustments);
}

Faults faults_of(const std::string& text) {
  Faults faults;
  try {
    read(text);
  } catch (const SpecError& error) {
    for (const Diagnostic& fault : error.diagnostics()) {
      faults.push_back(std::to_string(fault.line) + ": " + fault.message);
    }
  }
  return faults;
}

const ImageSpec& image(const Spec& spec, const std::string& name) {
  return std::get<ImageAction>(spec.find_step(image_step(name))->action).image;
}

TEST(Cluster, SaysHowItIsReached) {
  const ClusterAccess access = read(pipeline).cluster;
  EXPECT_EQ(access.context, "lab");
  EXPECT_EQ(access.registry, "registry.example/team");
  EXPECT_EQ(access.pod_remote, "oci://registry.lab/team/results");
  EXPECT_EQ(access.remote_secret, "registry-login");
  EXPECT_EQ(access.secrets, "ours");
  EXPECT_EQ(access.keep, 600s);
}

TEST(Cluster, AStepReplacesSingleKeysOfThePlace) {
  const Spec spec = read(pipeline);
  const Step& plain = *spec.find_step("plain");
  EXPECT_EQ(plain.runs_on, RunsOn::kubernetes);
  EXPECT_EQ(plain.image, (Input{"images.trainer", "image"}));
  EXPECT_EQ(plain.place.name_space, "training");
  EXPECT_EQ(plain.place.queue, "night");
  EXPECT_EQ(plain.place.user, 65532);
  ASSERT_EQ(plain.place.tolerations.size(), 1U);
  EXPECT_EQ(plain.place.tolerations.front().operation, "Exists");
  const Step& special = *spec.find_step("special");
  EXPECT_EQ(special.place.name_space, "other");
  EXPECT_EQ(special.place.node_selector.at("disk"), "fast");
  EXPECT_EQ(special.place.priority_class, "high");
  EXPECT_TRUE(special.place.tolerations.empty());
  EXPECT_EQ(special.place.user, std::nullopt);
  EXPECT_EQ(spec.find_step("here")->place, ClusterPlace());
}

TEST(Cluster, JobsWaitForTheAgentsImageWhichDoesNotCount) {
  const Spec spec = read(pipeline);
  const std::vector<std::string> before = spec.upstream(*spec.find_step("plain"));
  EXPECT_NE(std::find(before.begin(), before.end(), "images.agent"), before.end());
  EXPECT_EQ(image(spec, "agent").built_in, "agent");
  EXPECT_TRUE(spec.find_step("plain")->inputs.empty());
  EXPECT_TRUE(spec.upstream(*spec.find_step("here")).empty());
}

TEST(Cluster, WhatOnlyAClusterPullsIsInNoEngine) {
  const Spec spec = read(pipeline);
  EXPECT_TRUE(image(spec, "tools").in_registry);
  EXPECT_FALSE(image(spec, "both").in_registry) << "a container here runs from it too";
  EXPECT_FALSE(image(spec, "agent").in_registry) << "it is built";
}

TEST(Cluster, ADeploymentSaysHowItIsReached) {
  const DeploySpec deploy = *read(pipeline).deploy;
  EXPECT_EQ(deploy.replicas, 2);
  EXPECT_EQ(deploy.most_replicas, 5);
  EXPECT_EQ(deploy.image, (Input{"images.server", "image"}));
  EXPECT_EQ(deploy.gateway_image, std::nullopt);
  EXPECT_EQ(deploy.place.name_space, "serving");
  EXPECT_EQ(deploy.place.node_selector.at("disk"), "fast");
  EXPECT_EQ(deploy.exposure.service, "NodePort");
  EXPECT_EQ(deploy.exposure.node_port, 30080);
  EXPECT_EQ(deploy.exposure.ingress_host, "digits.example");
  EXPECT_EQ(deploy.exposure.gateway, "infra/public");
  EXPECT_TRUE(deploy.exposure.network_policy);
  EXPECT_EQ(deploy.deadline, 3min);
}

TEST(Cluster, RefusesWhatCannotBe) {
  const std::string step = "name: p\nruns-on: kubernetes\nsteps:\n  s: { run: x }\n";
  EXPECT_EQ(faults_of(step), Faults{"4: 's' runs on Kubernetes, and there is no `remote`"});
  EXPECT_EQ(faults_of(step + "remote: ftp://h/x\n"), Faults{"5: 'ftp://h/x' is no remote"});
  EXPECT_EQ(faults_of(step + "remote: pvc://claim/folder\n"), Faults{});
  const std::string with_remote = step + "remote: oci://h/r\nkubernetes: ";
  EXPECT_EQ(faults_of(with_remote + "{ namespace: Big }\n"), Faults{"6: 'Big' is no name in Kubernetes"});
  EXPECT_EQ(faults_of(with_remote + "{ user: 0 }\n").size(), 1U);
  EXPECT_EQ(faults_of(with_remote + "{ keep: 5 }\n").size(), 1U);
  const std::string deploy =
      "name: p\nsteps: { s: { run: x, outs: [m] } }\nmodel: { name: m, from: \"${{ steps.s.outs.m }}\" }\n"
      "deploy:\n  target: kubernetes\n";
  EXPECT_EQ(faults_of(deploy), Faults{});
  EXPECT_EQ(faults_of(deploy + "  port: 80\n"), Faults{"6: `port` belongs to a server on this machine"});
  EXPECT_EQ(faults_of(deploy + "  model: mounted\n"),
            Faults{"6: on Kubernetes a model is a layer of the image that serves it"});
  EXPECT_EQ(faults_of(deploy + "  resources: { cpu: 1 }\n  replicas: { min: 3, max: 2 }\n"),
            Faults{"7: at least 3 and at most 2 replicas"});
  EXPECT_EQ(faults_of(deploy + "  replicas: { min: 2, max: 3 }\n"),
            Faults{"6: servers are added by how much of their cpu they use, and it says none"});
  EXPECT_EQ(faults_of(deploy + "  kubernetes: { node-port: 30000 }\n"),
            Faults{"6: a Service of the type ClusterIP has no node port"});
  EXPECT_EQ(faults_of("name: p\nsteps: { s: { run: x, outs: [m] } }\n"
                      "model: { name: m, from: \"${{ steps.s.outs.m }}\" }\n"
                      "deploy:\n  target: container\n  replicas: { min: 1, max: 2 }\n"),
            Faults{"6: the target `container` serves from a fixed number"});
}

}  // namespace
}  // namespace mlpipe
