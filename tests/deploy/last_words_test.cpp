#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"
#include "pipeline/deploy/kubernetes_canary.hpp"

namespace mlpipe {
namespace {

TEST(LastWords, AreWaitedForWhereTheRunBeforeIsGoneAlready) {
  const TemporaryDirectory folder;
  const std::filesystem::path program = folder.path() / "kubectl";
  const std::string asked = (folder.path() / "asked").string();
  write_file_atomically(
      program,
      "#!/bin/sh\necho x >> " + asked + "\nif [ \"$(wc -l < " + asked +
          ")\" -lt 3 ]; then\n  echo 'unable to retrieve container logs for containerd://07'\n"
          "else\n  echo 'no weights.safetensors'\nfi\n",
      0755);
  const Kubectl kubectl(program, "", own_environment());
  const ClusterObjects objects(kubectl, "team", "tiny-prod");
  PodState pod;
  pod.name = "tiny-prod-0";
  EXPECT_EQ(last_words(kubectl, objects, pod), "");
  pod.has_words = true;
  EXPECT_EQ(last_words(kubectl, objects, pod), "\nno weights.safetensors");
}

}  // namespace
}  // namespace mlpipe
