#include <gtest/gtest.h>

#include "pipeline/run/cluster_view.hpp"

namespace mlpipe {
namespace {

using Lines = std::vector<std::string>;

TEST(ClusterChanges, AreWhatKubectlPrintsByObject) {
  const std::vector<ClusterChange> changes = changes_in(
      "diff -u -N /tmp/LIVE-1/apps.v1.Deployment.team.colors-prod "
      "/tmp/MERGED-2/apps.v1.Deployment.team.colors-prod\n"
      "--- /tmp/LIVE-1/apps.v1.Deployment.team.colors-prod\t2026-01-01 00:00:00.1 +0000\n"
      "+++ /tmp/MERGED-2/apps.v1.Deployment.team.colors-prod\t2026-01-01 00:00:00.2 +0000\n"
      "@@ -5,9 +5,9 @@\n"
      "     app.kubernetes.io/name: mlpipe-serve\n"
      "-  generation: 1\n"
      "+  generation: 2\n"
      "   spec:\n"
      "-  replicas: 1\n"
      "+  replicas: 2\n"
      "-    - name: old\n"
      "-- list\n"
      "diff -u -N /tmp/LIVE-1/v1.Service.team.colors-prod /tmp/MERGED-2/v1.Service.team.colors-prod\n"
      "--- /tmp/LIVE-1/v1.Service.team.colors-prod\t2026-01-01 00:00:00.1 +0000\n"
      "+++ /tmp/MERGED-2/v1.Service.team.colors-prod\t2026-01-01 00:00:00.2 +0000\n"
      "@@ -0,0 +1,1 @@\n"
      "+kind: Service\n");
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].object, "apps.v1.Deployment.team.colors-prod");
  EXPECT_EQ(changes[0].lines, (Lines{"-  replicas: 1", "+  replicas: 2", "-    - name: old", "-- list"}));
  EXPECT_EQ(changes[1].object, "v1.Service.team.colors-prod");
  EXPECT_EQ(changes[1].lines, Lines{"+kind: Service"});
  EXPECT_TRUE(changes_in("").empty());
}

}  // namespace
}  // namespace mlpipe
