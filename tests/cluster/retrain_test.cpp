// k8s/base/retrain: mlpipe in a pod, as its own ServiceAccount and without a kubeconfig, runs a step as a
// Job.
#include <fmt/format.h>

#include "tests/cluster/overlay.hpp"
#include "tests/cluster/packed_image.hpp"

namespace mlpipe {
namespace {

// What containers/orchestrator.Dockerfile holds.
PackedImage packed_orchestrator() {
  PackedImage image{{"sh", "kubectl"}, {}, {}};
  for (const char* program :
       {"mlpipe", "mlpipe-agent", "mlpipe-fetch", "mlpipe-kubernetes", "mlpipe-registry"}) {
    image.programs.push_back(std::string(MLPIPE_PROGRAMS) + "/" + program);
  }
  return image;
}

// The registry has one name for nodes and another for pods, as only a test's has; mlpipe, in a pod, asks it
// by the name that nodes know. So 127.0.0.1 at the registry's port leads to the node's, there.
constexpr const char* relay = R"perl(
use IO::Socket::INET; use IO::Select;
my ($host, $port) = split /:/, $ARGV[0];
$SIG{CHLD} = "IGNORE"; $SIG{TERM} = sub { exit };
my $door = IO::Socket::INET->new(Listen => 50, LocalAddr => "127.0.0.1", LocalPort => $port) or die $!;
while (1) {
  my $client = $door->accept or next;
  next if fork;
  my $server = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or exit;
  my $both = IO::Select->new($client, $server);
  while (my @ready = $both->can_read) {
    for my $from (@ready) {
      my $count = sysread($from, my $bytes, 65536) or exit;
      my $to = $from == $client ? $server : $client;
      for (my $at = 0; $at < $count;) { $at += syswrite($to, $bytes, $count - $at, $at) || exit; }
    }
  }
  exit;
}
)perl";

// The project, the images and a store that ends with the pod, for where no volumes are made by themselves.
std::string changes(const TestRegistry& registry) {
  const std::string image = push_packed(registry, "orchestrator", packed_orchestrator());
  const std::size_t at = image.find('@');
  const Json sidecar = {{"name", "relay"},
                        {"image", push_packed(registry, "jobs", packed_jobs())},
                        {"restartPolicy", "Always"},
                        {"command", {"perl", "-e", relay, registry.for_pods()}},
                        {"securityContext",
                         {{"allowPrivilegeEscalation", false},
                          {"readOnlyRootFilesystem", true},
                          {"capabilities", {{"drop", {"ALL"}}}}}}};
  const std::string pod = "/spec/jobTemplate/spec/template/spec";
  const Json patch = {{{"op", "add"}, {"path", pod + "/initContainers"}, {"value", {sidecar}}},
                      {{"op", "add"},
                       {"path", pod + "/containers/0/env/-"},
                       {"value", {{"name", "MLPIPE_INSECURE_REGISTRIES"}, {"value", registry.for_pods()}}}},
                      {{"op", "replace"},
                       {"path", pod + "/volumes/2"},
                       {"value", {{"name", "store"}, {"emptyDir", Json::object()}}}}};
  const Json more = {{"images",
                      {{{"name", "mlpipe.invalid/orchestrator"},
                        {"newName", image.substr(0, at)},
                        {"digest", image.substr(at + 1)}}}},
                     {"patches", {{{"target", {{"kind", "CronJob"}}}, {"patch", patch.dump()}}}},
                     {"configMapGenerator",
                      {{{"name", "mlpipe-project"},
                        {"files", {"pipeline.yaml"}},
                        {"options", {{"disableNameSuffixHash", true}}}}}}};
  std::string text;
  for (const auto& [key, value] : more.items()) {
    text += fmt::format("{}: {}\n", key, value.dump());
  }
  return text;
}

class Retrain : public ClusterImageTest {};

TEST_F(Retrain, RunsInsideTheClusterAsItsAccount) {
  const Cluster cluster("retrain");
  const TestRegistry registry;
  const Overlay overlay({"base/rights", "base/retrain"}, cluster.name_space(), changes(registry));
  const Json pipeline = {
      {"name", "inside"},
      {"steps",
       {{"greet", {{"run", "echo hello from a Job > greeting"}, {"outs", {"greeting"}}, {"image", "jobs"}}}}},
      {"images",
       {{"jobs", {{"from", push_packed(registry, "jobs", packed_jobs())}}},
        {"agent", {{"from", push_packed(registry, "agent", packed_agent())}}}}},
      {"profiles",
       {{"cluster",
         {{"runs-on", "kubernetes"},
          {"remote", "oci://" + registry.for_pods() + "/results"},
          {"kubernetes", {{"registry", registry.for_nodes() + "/images"}}}}}}}};
  overlay.write("pipeline.yaml", pipeline.dump());
  cluster.ask({"apply", overlay.argument()});
  cluster.ask({"create", "job", "now", "--from=cronjob/mlpipe-retrain"});
  const auto ended = [&](const char* condition) {
    return cluster.run({"wait", "job/now", std::string("--for=condition=") + condition, "--timeout=1s"})
        .ending.succeeded();
  };
  wait_until("the run has ended", [&] { return ended("Complete") || ended("Failed"); });
  const std::string log = cluster.ask({"logs", "job/now", "--container=mlpipe"});
  EXPECT_TRUE(ended("Complete")) << log;
  EXPECT_TRUE(has(log, "✓ greet"));
  EXPECT_EQ(
      cluster.get({"jobs", "--selector=app.kubernetes.io/managed-by=mlpipe,app.kubernetes.io/component=step"})
          .at("items")
          .size(),
      1U);
}

}  // namespace
}  // namespace mlpipe
