#include "tests/cluster/cluster.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* restricted = "pod-security.kubernetes.io/enforce=restricted";
constexpr const char* longest_wait = "--timeout=180s";

Captured kubectl(std::vector<std::string> arguments, const std::string& input = "") {
  Command command;
  command.arguments = std::move(arguments);
  command.arguments.insert(command.arguments.begin(), "kubectl");
  return run_and_capture(std::move(command), input);
}

std::string output_or_error(const Captured& captured, const std::string& doing) {
  if (!captured.ending.succeeded()) {
    throw Error(fmt::format("kubectl {}: {}", doing, captured.error));
  }
  return captured.output;
}

std::string look_for_cluster() {
  const char* wanted = std::getenv("MLPIPE_TEST_CLUSTER");
  if (wanted == nullptr || std::string_view(wanted) != "1") {
    return "no cluster was given to the tests: `make test-cluster` gives them that of the current context";
  }
  if (program_in_path("kubectl").empty()) {
    return "there is no kubectl in PATH";
  }
  const Captured answer = kubectl({"get", "--raw", "/readyz", "--request-timeout=20s"});
  return answer.ending.succeeded() ? "" : "no cluster answers: " + answer.error;
}

// The current context alone, with everything that it refers to inside.
Json own_context() {
  return Json::parse(output_or_error(
      kubectl({"config", "view", "--raw", "--minify", "--flatten", "--output", "json"}), "config view"));
}

void write_private(const fs::path& file, const Json& content) {
  write_file_atomically(file, content.dump(), 0600, Durability::later);
}

std::string join_words(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) {
    text += (text.empty() ? "" : " ") + argument;
  }
  return text;
}

// The InternalIP of the first node.
const std::string& node_address() {
  static const std::string address = [] {
    const Json nodes =
        Json::parse(output_or_error(kubectl({"get", "nodes", "--output", "json"}), "get nodes"));
    for (const Json& each : nodes.at("items").at(0).at("status").at("addresses")) {
      if (each.at("type") == "InternalIP") {
        return each.at("address").get<std::string>();
      }
    }
    return std::string();
  }();
  return address;
}

bool is_of_this_machine(const std::string& address) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    throw_errno("looking for this machine's addresses");
  }
  bool found = false;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr != nullptr && each->ifa_addr->sa_family == AF_INET) {
      char text[INET_ADDRSTRLEN] = "";
      ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text,
                  sizeof text);
      found = found || address == text;
    }
  }
  ::freeifaddrs(first);
  return found;
}

}  // namespace

const std::string& why_no_cluster() {
  static const std::string why = look_for_cluster();
  return why;
}

Cluster::Cluster(const std::string& purpose)
    : name_space_(fmt::format("mlpipe-test-{}-{}", ::getpid(), purpose)),
      kubeconfig_(folder_.path() / "kubeconfig") {
  Json context = own_context();
  context.at("contexts").at(0).at("context")["namespace"] = name_space_;
  write_private(kubeconfig_, context);
  ask({"create", "namespace", name_space_});
  ask({"label", "namespace", name_space_, restricted});
  // Pods are refused before their account is there.
  ask({"wait", "--for=create", "serviceaccount/default", longest_wait});
}

Cluster::~Cluster() {
  try {
    ask({"delete", "namespace", name_space_, "--wait", longest_wait});
  } catch (const std::exception& error) {
    ADD_FAILURE() << "clearing up: " << error.what();
  }
}

fs::path Cluster::kubeconfig_of(const std::string& service_account) const {
  std::string token = ask({"create", "token", service_account, "--duration=1h"});
  token.erase(token.find_last_not_of('\n') + 1);
  Json config = Json::parse(read_file(kubeconfig_));
  config.at("users").at(0)["user"] = {{"token", token}};
  const fs::path file = folder_.path() / ("kubeconfig-" + service_account);
  write_private(file, config);
  return file;
}

Captured Cluster::run(std::vector<std::string> arguments, const std::string& input) const {
  arguments.insert(arguments.begin(), "--kubeconfig=" + kubeconfig_.string());
  return kubectl(std::move(arguments), input);
}

std::string Cluster::ask(std::vector<std::string> arguments, const std::string& input) const {
  const std::string doing = join_words(arguments);
  return output_or_error(run(std::move(arguments), input), doing);
}

Json Cluster::get(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"get", "--output=json"});
  return Json::parse(ask(std::move(arguments)));
}

void Cluster::apply(const std::string& manifest) const {
  ask({"apply", "--server-side", "--field-manager=mlpipe-test", "--filename=-"}, manifest);
}

void Cluster::wait_for(const std::string& object, const std::string& condition) const {
  ask({"wait", object, "--for=" + condition, longest_wait});
}

std::string TestRegistry::why_none() {
  if (!RealRegistry::is_there()) {
    return "docker-registry is not installed: scripts/install-deps --cluster";
  }
  if (!is_of_this_machine(node_address())) {
    return fmt::format("the cluster's node {} is not this machine: it cannot pull from a registry here",
                       node_address());
  }
  return "";
}

TestRegistry::TestRegistry() = default;

std::string TestRegistry::for_pods() const {
  const std::string name = for_nodes();
  return node_address() + name.substr(name.find(':'));
}

Environment TestRegistry::environment() const {
  return {{"MLPIPE_INSECURE_REGISTRIES", for_pods()}};
}

void ClusterTest::SetUp() {
  if (!why_no_cluster().empty()) {
    GTEST_SKIP() << why_no_cluster();
  }
}

void ClusterImageTest::SetUp() {
  ClusterTest::SetUp();
  if (IsSkipped()) {
    return;
  }
  if (const std::string why = TestRegistry::why_none(); !why.empty()) {
    GTEST_SKIP() << why;
  }
}

}  // namespace mlpipe
