#include "pipeline/cluster/kubectl.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

// A program of kubectl's name that answers as it is told.
class KubectlProgram : public testing::Test {
 protected:
  void install(const std::string& script) {
    write_file_atomically(folder_.path() / "kubectl", "#!/bin/sh\n" + script, 0755);
  }
  Environment environment() const { return {{"PATH", folder_.path().string()}}; }

  TemporaryDirectory folder_;
};

template <typename Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what() + std::string("|") + error.hint();
  }
  return "nothing was thrown";
}

TEST_F(KubectlProgram, ItsAbsenceSaysWhatToDo) {
  EXPECT_EQ(
      message_of([this] { Kubectl::find("", environment()); }),
      "kubectl is not installed (no 'kubectl' in PATH)|install the kubectl of the cluster's version, or name "
      "one by MLPIPE_KUBECTL=/path/to/kubectl");
  EXPECT_EQ(message_of([] {
              Kubectl::find("", {{"MLPIPE_KUBECTL", "/nowhere/kubectl"}});
            }),
            "there is no program '/nowhere/kubectl', which MLPIPE_KUBECTL names|install the kubectl of the "
            "cluster's version, or name one by MLPIPE_KUBECTL=/path/to/kubectl");
}

TEST_F(KubectlProgram, AContextThatIsNotThereGetsTheNearest) {
  install("test \"$*\" = 'config get-contexts -o name' || exit 9\necho staging\necho production\n");
  EXPECT_EQ(message_of([this] { Kubectl::find("prodution", environment()); }),
            "the kubeconfig has no context 'prodution'|did you mean 'production'?");
  EXPECT_THROW(Kubectl::find("x", environment()), UsageError);
  EXPECT_EQ(Kubectl::find("staging", environment()).context(), "staging");
}

TEST_F(KubectlProgram, ArgumentsAndInputReachItAsTheyAre) {
  install(
      "[ \"$1\" = config ] && { echo 'a b'; exit; }\nfor argument; do echo \"<$argument>\"; done; read line; "
      "echo \"$line\"\n");
  EXPECT_EQ(Kubectl::find("a b", environment()).ask({"apply", "x; y"}, "input\n"),
            "<--context>\n<a b>\n<apply>\n<x; y>\ninput\n");
}

TEST_F(KubectlProgram, SaysWhereRequestsGoTo) {
  install(R"([ "$*" = 'config view --minify -o json' ] || exit 9
echo '{"contexts":[{"name":"staging","context":{"namespace":"team"}}],"current-context":"staging"}'
)");
  EXPECT_EQ(Kubectl::find("", environment()).where().context, "staging");
  EXPECT_EQ(Kubectl::find("", environment()).where().name_space, "team");
  install(R"(echo '{"contexts":[{"name":"staging","context":{}}]}')");
  EXPECT_EQ(Kubectl::find("", environment()).where().name_space, "default");
  install("echo 'error: current-context must exist in order to minify' >&2; exit 1\n");
  EXPECT_EQ(Kubectl::find("", environment()).where().context, "");
  EXPECT_EQ(Kubectl::find("", environment()).where().name_space, "default");
}

TEST_F(KubectlProgram, AClusterThatDoesNotAnswerIsSaidPlainly) {
  install(
      "echo '{\"clientVersion\":{\"minor\":\"34\"}}'; echo 'Unable to connect to the server: dial tcp: "
      "lookup x "
      "on 10.0.0.1:53: no such host' >&2; exit 1\n");
  EXPECT_NE(message_of([this] {
              Kubectl::find("", environment()).require_answer();
            }).find("asking the cluster: the cluster's API server does not answer"),
            std::string::npos);
  install("echo '{\"clientVersion\":{\"minor\":\"34\"},\"serverVersion\":{\"minor\":\"30\"}}'\n");
  EXPECT_NO_THROW(Kubectl::find("", environment()).require_answer());
}

TEST_F(KubectlProgram, InAPodItGetsNoTimeoutThatWouldKeepItFromThePodsCluster) {
  install(
      "[ \"$*\" = 'version -o json' ] || exit 1\n"
      "echo '{\"clientVersion\":{\"minor\":\"34\"},\"serverVersion\":{\"minor\":\"34\"}}'\n");
  Environment pod = environment();
  pod["KUBERNETES_SERVICE_HOST"] = "10.96.0.1";
  EXPECT_NO_THROW(Kubectl::find("", pod).require_answer());
  EXPECT_THROW(Kubectl::find("", environment()).require_answer(), Error);
}

TEST_F(KubectlProgram, VersionsThatAreTooFarApartAreSaidWhenThatMayBeWhy) {
  install(R"([ "$1" = version ] && {
  echo '{"clientVersion":{"minor":"28","gitVersion":"v1.28.1"},"serverVersion":{"minor":"34+","gitVersion":"v1.34.4"}}'
  exit
}
echo 'error: unknown flag: --field-manager' >&2
exit 1
)");
  EXPECT_EQ(message_of([this] { Kubectl::find("", environment()).ask({"apply"}); }),
            "kubectl apply: unknown flag: --field-manager (kubectl is v1.28.1, the cluster v1.34.4)|kubectl "
            "and the "
            "cluster may be one minor version apart: use the kubectl of the cluster's version");
}

TEST(LabelValue, IsOneThatALabelMayHave) {
  EXPECT_EQ(label_value("digits"), "digits");
  EXPECT_EQ(label_value("train[lr=0.1]"), "train-lr-0.1");
  EXPECT_EQ(label_value("__"), "");
  EXPECT_EQ(label_value(std::string(62, 'a') + "-b"), std::string(62, 'a'));
}

}  // namespace
}  // namespace mlpipe
