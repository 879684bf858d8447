#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/base/process.hpp"
#include "tests/functional/project.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {

// Why no test here may use a cluster: it was not asked for (MLPIPE_TEST_CLUSTER=1, as `make test-cluster`
// sets it), there is no kubectl, or none answers in the current context. Empty: there is one. Looks once in a
// process.
const std::string& why_no_cluster();

// A namespace of the test's own in the cluster of the current context, in which Pod Security `restricted` is
// enforced. It is deleted at the end with everything in it, which is waited for.
class Cluster {
 public:
  // Its name is "mlpipe-test-PID-PURPOSE".
  explicit Cluster(const std::string& purpose);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const std::string& name_space() const { return name_space_; }
  // A file of the test's own: the current context, with the namespace as its default.
  const std::filesystem::path& kubeconfig() const { return kubeconfig_; }
  // The same, as a ServiceAccount of the namespace (which must be there): it may do what its Roles say.
  std::filesystem::path kubeconfig_of(const std::string& service_account) const;

  // kubectl in the namespace, to its end.
  Captured run(std::vector<std::string> arguments, const std::string& input = "") const;
  // What it printed, or an Error with what it said.
  std::string ask(std::vector<std::string> arguments, const std::string& input = "") const;
  // `kubectl get ARGUMENTS… --output json`, or an Error.
  Json get(std::vector<std::string> arguments) const;
  // Applies a manifest: YAML or JSON.
  void apply(const std::string& manifest) const;
  // Waits until `kubectl get NAME` has the condition, as in "jobs/a", "condition=Complete".
  void wait_for(const std::string& object, const std::string& condition) const;

 private:
  TemporaryDirectory folder_;
  std::string name_space_;
  std::filesystem::path kubeconfig_;
};

// A registry in this machine that the cluster's nodes and pods reach; it ends with its owner.
class TestRegistry {
 public:
  // Why there can be none: Debian's docker-registry is not installed, or no node of the cluster is this
  // machine. Empty: there can.
  static std::string why_none();
  TestRegistry();

  // "127.0.0.1:PORT": as nodes, and who pushes from here, call it.
  std::string for_nodes() const { return registry_.name(); }
  // "NODE:PORT": as pods call it. They need the environment below: it speaks plain http.
  std::string for_pods() const;
  // MLPIPE_INSECURE_REGISTRIES, for mlpipe and for pods.
  Environment environment() const;
  void stop() { registry_.stop(); }

 private:
  RealRegistry registry_{"0.0.0.0"};
};

// A test that needs a cluster, and one that needs a registry for it too: skipped, with the reason, where
// there is none.
class ClusterTest : public testing::Test {
 protected:
  void SetUp() override;
};
class ClusterImageTest : public ClusterTest {
 protected:
  void SetUp() override;
};

}  // namespace mlpipe
