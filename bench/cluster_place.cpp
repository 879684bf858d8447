// A namespace of the current context's cluster, a registry, and images of this machine's programs in it, for
// a benchmark that says what it needs of them: prints where they are as JSON, and takes them away when its
// standard input ends.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "tests/cluster/packed_image.hpp"

int main() {
  using namespace mlpipe;
  std::string why = why_no_cluster();
  if (why.empty()) {
    why = TestRegistry::why_none();
  }
  if (!why.empty()) {
    fmt::print(stderr, "{}\n", why);
    return 1;
  }
  try {
    const Cluster cluster("bench");
    const TestRegistry registry;
    const Json place = {{"namespace", cluster.name_space()},
                        {"kubeconfig", cluster.kubeconfig().string()},
                        {"registry_for_nodes", registry.for_nodes()},
                        {"registry_for_pods", registry.for_pods()},
                        {"environment", registry.environment()},
                        {"agent", push_packed(registry, "agent", packed_agent())},
                        {"jobs", push_packed(registry, "jobs", packed_jobs())},
                        {"server", push_packed(registry, "server", packed_server())}};
    // Its end is that of its input: a Ctrl-C reaches whoever started it too.
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_IGN);
    fmt::print("{}\n", place.dump());
    std::fflush(stdout);
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
