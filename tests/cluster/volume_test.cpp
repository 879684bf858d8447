// `pvc://`: results in a volume of the cluster, from outside of it.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "pipeline/oci/claim_remote.hpp"
#include "pipeline/oci/http.hpp"
#include "tests/cluster/packed_image.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// An account that may do what steps and volumes take, and nothing else.
fs::path kubeconfig_with_little_rights(const Cluster& cluster) {
  cluster.ask({"create", "serviceaccount", "mlpipe"});
  for (const std::string role : {"steps", "volume"}) {
    cluster.ask(
        {"apply", fmt::format("--filename={}/k8s/base/rights/role-{}.yaml", MLPIPE_REPOSITORY, role)});
    cluster.ask({"create", "rolebinding", role, "--role=mlpipe-" + role,
                 "--serviceaccount=" + cluster.name_space() + ":mlpipe"});
  }
  return cluster.kubeconfig_of("mlpipe");
}

// A claim, and the volume that it is bound to: a folder of the node, which is this machine.
class Volume {
 public:
  explicit Volume(const Cluster& cluster) : cluster_(cluster) {
    fs::permissions(folder_.path(), fs::perms::all);
    const Json modes = {"ReadWriteMany"};
    const Json size = {{"storage", "1Gi"}};
    cluster_.apply(Json{{"apiVersion", "v1"},
                        {"kind", "PersistentVolume"},
                        {"metadata", {{"name", cluster_.name_space()}}},
                        {"spec",
                         {{"capacity", size},
                          {"accessModes", modes},
                          {"persistentVolumeReclaimPolicy", "Retain"},
                          {"storageClassName", ""},
                          {"claimRef", {{"namespace", cluster_.name_space()}, {"name", "results"}}},
                          {"hostPath", {{"path", folder_.path().string()}}}}}}
                       .dump());
    cluster_.apply(Json{{"apiVersion", "v1"},
                        {"kind", "PersistentVolumeClaim"},
                        {"metadata", {{"name", "results"}}},
                        {"spec",
                         {{"accessModes", modes},
                          {"storageClassName", ""},
                          {"volumeName", cluster_.name_space()},
                          {"resources", {{"requests", size}}}}}}
                       .dump());
  }
  ~Volume() { cluster_.run({"delete", "persistentvolume", cluster_.name_space(), "--wait=false"}); }
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  const fs::path& folder() const { return folder_.path(); }

 private:
  const Cluster& cluster_;
  TemporaryDirectory folder_;
};

class VolumeTest : public ClusterImageTest {
 protected:
  static Environment environment(const Cluster& cluster, const std::string& image) {
    Environment environment = own_environment();
    environment["KUBECONFIG"] = kubeconfig_with_little_rights(cluster);
    environment["MLPIPE_CLUSTER_NAMESPACE"] = cluster.name_space();
    environment["MLPIPE_AGENT_IMAGE"] = image;
    return environment;
  }
};

TEST_F(VolumeTest, HoldsWhatIsSentAndEndsWithItsLastUser) {
  const Cluster cluster("volume");
  const TestRegistry registry;
  const Volume volume(cluster);
  const Environment env = environment(cluster, push_packed(registry, "agent", packed_agent()));
  auto one = open_remote("pvc://results/team/a", env);
  auto two = open_remote("pvc://results/team/a", env);

  const TemporaryDirectory files;
  const std::string text(5'000'000, 'x');
  write_file_atomically(files.path() / "file", text);
  const RemoteBlob blob{digest_of(text), text.size()};
  one->put_blob(blob, files.path() / "file");
  one->put_record(result_record(digest_of("key")), {"rows", {blob}});
  EXPECT_EQ(two->keys(9).keys, std::vector<Digest>{digest_of("key")});
  EXPECT_EQ(two->get_record(result_record(digest_of("key")))->blobs, std::vector<RemoteBlob>{blob});
  EXPECT_FALSE(two->get_record("job-1").has_value());
  two->get_blob(blob, files.path() / "got");
  EXPECT_EQ(read_file(files.path() / "got"), text);
  EXPECT_TRUE(fs::exists(volume.folder() / "team/a/blobs/sha256" / blob.digest.hex()));
  EXPECT_EQ(cluster.get({"pods"}).at("items").size(), 1U);  // both use one

  // A pod that somebody deletes is made anew.
  cluster.ask({"delete", "pods", "--all", "--grace-period=1"});
  for (int tries = 0;; ++tries) {
    try {
      EXPECT_EQ(one->keys(9).keys.size(), 1U);
      break;
    } catch (const Unavailable& error) {
      ASSERT_LT(tries, 5) << error.what();
    }
  }
  one.reset();
  two.reset();
  wait_until("the pod ends, a minute after its last user",
             [&] { return cluster.get({"jobs,pods"}).at("items").empty(); });
}

TEST_F(VolumeTest, SaysThatThereIsNoClaim) {
  const Cluster cluster("no-claim");
  const TestRegistry registry;
  const auto remote =
      open_remote("pvc://nothing", environment(cluster, push_packed(registry, "agent", packed_agent())));
  try {
    remote->keys(9);
    FAIL() << "it found one";
  } catch (const Error& error) {
    EXPECT_TRUE(has(error.what(), "persistentvolumeclaim \"nothing\" not found"));
    EXPECT_TRUE(cluster.get({"jobs"}).at("items").empty());
  }
}

}  // namespace
}  // namespace mlpipe
