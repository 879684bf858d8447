#include "pipeline/cluster/kubectl.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* own_namespace_in_pod = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
constexpr const char* skew_hint =
    "kubectl and the cluster may be one minor version apart: use the kubectl of the cluster's version";

std::string value_of(const Environment& environment, const char* name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

fs::path find_kubectl(const Environment& environment) {
  const std::string named = value_of(environment, "MLPIPE_KUBECTL");
  try {
    fs::path program = find_program(named.empty() ? "kubectl" : named, environment);
    if (::access(program.c_str(), X_OK) == 0) {
      return program;
    }
  } catch (const Error&) {
    // Said below, for both.
  }
  throw Error(named.empty()
                  ? std::string("kubectl is not installed (no 'kubectl' in PATH)")
                  : fmt::format("there is no program '{}', which MLPIPE_KUBECTL names", printable(named)),
              "install the kubectl of the cluster's version, or name one by MLPIPE_KUBECTL=/path/to/kubectl");
}

struct Versions {
  std::string client;
  std::string server;
  int apart = 0;  // minor versions
};

int minor_of(const Json& version) {
  return std::atoi(version.value("minor", "0").c_str());  // "34", and "34+" of some providers
}

// Nothing when it is not told both.
std::optional<Versions> versions_in(const std::string& output) {
  const Json json = Json::parse(output, nullptr, false);
  if (!json.is_object() || !json.contains("clientVersion") || !json.contains("serverVersion")) {
    return std::nullopt;
  }
  const Json& client = json["clientVersion"];
  const Json& server = json["serverVersion"];
  return Versions{client.value("gitVersion", "?"), server.value("gitVersion", "?"),
                  std::abs(minor_of(client) - minor_of(server))};
}

// What a kubectl that does not fit its cluster says.
bool may_be_skew(std::string_view words) {
  constexpr std::string_view forms[] = {"could not find the requested resource",
                                        "unknown flag",
                                        "unknown command",
                                        "unknown shorthand",
                                        "no matches for kind",
                                        "field not declared in schema"};
  return std::any_of(std::begin(forms), std::end(forms),
                     [words](std::string_view form) { return words.find(form) != std::string_view::npos; });
}

// With --request-timeout kubectl does not find the cluster of the pod that it is in: its settings are not the
// defaults any more then, and it takes them for those of a cluster at localhost.
std::vector<std::string> version_request(const Environment& environment) {
  std::vector<std::string> arguments = {"version", "-o", "json"};
  if (value_of(environment, "KUBERNETES_SERVICE_HOST").empty()) {
    arguments.emplace_back("--request-timeout=10s");
  }
  return arguments;
}

}  // namespace

Kubectl Kubectl::find(const std::string& context, const Environment& environment) {
  Kubectl kubectl(find_kubectl(environment), context, environment);
  if (!context.empty()) {
    // Without the context, which could not be asked about otherwise.
    const Captured listed =
        Kubectl(kubectl.program_, "", environment).run({"config", "get-contexts", "-o", "name"});
    if (!listed.ending.succeeded()) {
      throw kubectl.failure("reading the kubeconfig", listed);
    }
    const std::vector<std::string> contexts = split(trim(listed.output), '\n');
    if (std::find(contexts.begin(), contexts.end(), context) == contexts.end()) {
      throw UsageError(fmt::format("the kubeconfig has no context '{}'", printable(context)),
                       suggest_name(context, contexts));
    }
  }
  return kubectl;
}

Command Kubectl::command(std::vector<std::string> arguments) const {
  std::vector<std::string> all = {program_.string()};
  if (!context_.empty()) {
    all.insert(all.end(), {"--context", context_});
  }
  all.insert(all.end(), std::make_move_iterator(arguments.begin()), std::make_move_iterator(arguments.end()));
  Command command;
  command.arguments = std::move(all);
  command.environment = environment_;
  return command;
}

Captured Kubectl::run(std::vector<std::string> arguments, std::string_view input) const {
  return run_and_capture(command(std::move(arguments)), input);
}

std::string Kubectl::ask(std::vector<std::string> arguments, std::string_view input) const {
  const std::string doing = fmt::format("kubectl {}", arguments.empty() ? "" : arguments.front());
  Captured captured = run(std::move(arguments), input);
  if (!captured.ending.succeeded()) {
    throw failure(doing, captured);
  }
  return std::move(captured.output);
}

Kubectl::Where Kubectl::where() const {
  const Captured viewed = run({"config", "view", "--minify", "-o", "json"});
  const Json config = viewed.ending.succeeded() ? Json::parse(viewed.output, nullptr, false) : Json();
  Where where{context_, ""};
  if (config.is_object() && config.contains("contexts") && !config["contexts"].empty()) {
    const Json& context = config["contexts"].at(0);
    where.context = context.value("name", context_);
    where.name_space = context.value("context", Json::object()).value("namespace", "");
  } else if (!value_of(environment_, "KUBERNETES_SERVICE_HOST").empty()) {
    where.name_space = trim(read_file_if_exists(own_namespace_in_pod).value_or(""));
  }
  if (where.name_space.empty()) {
    where.name_space = "default";
  }
  return where;
}

void Kubectl::require_answer() const {
  const Captured asked = run(version_request(environment_));
  if (!versions_in(asked.output)) {
    throw failure("asking the cluster", asked);
  }
}

Error Kubectl::failure(std::string_view doing, const Captured& captured) const {
  const std::string said = trim(captured.error).empty() ? describe(captured.ending) : captured.error;
  const Error error = cluster_failure(doing, said);
  if (may_be_skew(said)) {
    const auto versions = versions_in(run(version_request(environment_)).output);
    if (versions && versions->apart > 1) {
      return Error(fmt::format("{} (kubectl is {}, the cluster {})", error.what(),
                               printable(versions->client), printable(versions->server)),
                   skew_hint);
    }
  }
  return error;
}

std::string label_value(std::string_view text) {
  constexpr std::size_t longest = 63;
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  std::string value;
  for (const char c : text) {
    value += plain(c) || c == '-' || c == '_' || c == '.' ? c : '-';
  }
  while (!value.empty() && !plain(value.front())) {
    value.erase(0, 1);
  }
  value.resize(std::min(value.size(), longest));
  while (!value.empty() && !plain(value.back())) {
    value.pop_back();
  }
  return value;
}

}  // namespace mlpipe
