// Watches as a kubectl that is a few lines of shell tells them.
#include "pipeline/deploy/cluster_watch.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Watched : public testing::Test {
 protected:
  Kubectl kubectl(const std::string& lines) const {
    const fs::path program = folder_.path() / "kubectl";
    write_file_atomically(program, "#!/bin/sh\ncd " + folder_.path().string() + "\n" + lines, 0755);
    return {program, "", own_environment()};
  }
  static void wait(ClusterWatch& watch) { watch.wait(std::chrono::steady_clock::now() + 20s); }

 private:
  TemporaryDirectory folder_;
};

constexpr const char* event = R"(echo '{"type":"TYPE","object":{"metadata":{"name":"NAME"},"value":VALUE}}')";

std::string told(const std::string& type, const std::string& name, int value) {
  std::string text = event;
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"TYPE", type}, {"NAME", name}, {"VALUE", std::to_string(value)}}) {
    text.replace(text.find(from), from.size(), to);
  }
  return text + "\n";
}

TEST_F(Watched, ObjectsAreAsTheyWereToldLast) {
  const Kubectl program = kubectl(told("ADDED", "a", 1) + told("ADDED", "b", 1) + told("MODIFIED", "a", 2) +
                                  told("DELETED", "b", 1) + told("ADDED", "done", 0) + "exec sleep 60\n");
  ClusterWatch watch(program, "ml", "app=x", {"pods"});
  while (watch.objects("pods").empty() || watch.objects("pods").back().at("metadata").at("name") != "done") {
    wait(watch);
  }
  ASSERT_EQ(watch.objects("pods").size(), 2U);
  EXPECT_EQ(watch.objects("pods").front().at("value"), 2);
  EXPECT_TRUE(watch.objects("deployments").empty());
}

// An API server that goes away for a while: the watch is begun again, and what it tells then is all there is.
TEST_F(Watched, IsBegunAgainWhenTheServerWasAway) {
  const Kubectl program = kubectl(
      "echo . >> starts\n"
      "case $(wc -l < starts) in\n"
      "1) " +
      told("ADDED", "old", 1) +
      ";;\n"
      "2) echo 'The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or "
      "port?' >&2; exit 1;;\n"
      "*) " +
      told("ADDED", "new", 1) +
      "exec sleep 60;;\n"
      "esac\n");
  ClusterWatch watch(program, "ml", "app=x", {"pods"});
  bool was_interrupted = false;
  while (watch.objects("pods").empty() || watch.objects("pods").front().at("metadata").at("name") != "new") {
    wait(watch);
    was_interrupted = was_interrupted || !watch.interruption().empty();
  }
  EXPECT_TRUE(was_interrupted);
  EXPECT_EQ(watch.interruption(), "");
  EXPECT_EQ(watch.objects("pods").size(), 1U);
}

TEST_F(Watched, ARightThatIsMissingIsNamed) {
  const Kubectl program = kubectl(
      "echo 'Error from server (Forbidden): pods is forbidden: User \"x\" cannot watch resource \"pods\" in "
      "API group "
      "\"\" in the namespace \"ml\"' >&2\nexit 1\n");
  ClusterWatch watch(program, "ml", "app=x", {"pods"});
  try {
    wait(watch);
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("watch pods in namespace ml"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace mlpipe
