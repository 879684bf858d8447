#include "pipeline/spec/deploy_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/quantity.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/spec/cluster_reader.hpp"
#include "pipeline/spec/rules_reader.hpp"

namespace mlpipe {
namespace {

class DeployReader {
 public:
  DeployReader(const References& references, Images& images, const ClusterPlace& place,
               Diagnostics& diagnostics)
      : references_(references), images_(images), place_(place), diagnostics_(diagnostics) {}

  DeploySpec read(const YamlNode& node) {
    DeploySpec deploy;
    deploy.alias = text(node.find("alias")).value_or("prod");
    deploy.target = text(node.find("target")).value_or("local");
    deploy.host = text(node.find("host")).value_or("127.0.0.1");
    if (const YamlNode* port = node.find("port")) {
      deploy.port = integer(*port, 0, largest_port, "a port from 0 to 65535");
    }
    if (const YamlNode* strategy = node.find("strategy"); strategy != nullptr && strategy->is_mapping()) {
      if (const YamlNode* canary = strategy->find("canary"); canary != nullptr && canary->is_mapping()) {
        read_canary(*canary, deploy.strategy);
      }
    }
    read_replicas(node, deploy);
    if (deploy.target != "local") {
      read_containers(node, deploy);
    }
    if (deploy.target == "kubernetes") {
      read_cluster(node, deploy);
    }
    return deploy;
  }

 private:
  static constexpr int largest_port = 65535;
  static constexpr int most_replicas = 100;
  static constexpr int most_requests = 1'000'000;

  std::optional<std::string> text(const YamlNode* node) {
    Usage not_counted;
    return node != nullptr && node->is_scalar() && !node->is_null() ? references_.text(*node, not_counted)
                                                                    : std::nullopt;
  }

  // Nothing, and a fault, when it is none.
  std::optional<int> integer(const YamlNode& node, int least, int most, std::string_view what) {
    const auto found = text(&node);
    const auto number = found ? parse_integer(*found) : std::nullopt;
    if (!number || *number < least || *number > most) {
      diagnostics_.add(node, fmt::format("expected {}", what));
      return std::nullopt;
    }
    return static_cast<int>(*number);
  }

  void read_replicas(const YamlNode& node, DeploySpec& deploy) {
    const YamlNode* replicas = node.find("replicas");
    if (replicas == nullptr) {
      return;
    }
    const std::string expected = fmt::format("a whole number from 1 to {}", most_replicas);
    if (replicas->is_mapping()) {
      read_range(*replicas, expected, deploy);
      return;
    }
    deploy.replicas = integer(*replicas, 1, most_replicas, expected).value_or(1);
    if (deploy.target == "local" && deploy.replicas > 1) {
      diagnostics_.add(*replicas, "the target `local` is one server",
                       "choose `target: container` for several replicas");
    }
  }

  void read_range(const YamlNode& node, const std::string& expected, DeploySpec& deploy) {
    const YamlNode* least = node.find("min");
    const YamlNode* most = node.find("max");
    if (least == nullptr || most == nullptr) {
      return;
    }
    deploy.replicas = integer(*least, 1, most_replicas, expected).value_or(1);
    deploy.most_replicas = integer(*most, 1, most_replicas, expected);
    if (deploy.most_replicas && *deploy.most_replicas < deploy.replicas) {
      diagnostics_.add(
          *most, fmt::format("at least {} and at most {} replicas", deploy.replicas, *deploy.most_replicas));
    }
    if (deploy.target != "kubernetes") {
      diagnostics_.add(node, fmt::format("the target `{}` serves from a fixed number", deploy.target),
                       "write a number, or choose `target: kubernetes`");
    }
  }

  void read_cluster(const YamlNode& node, DeploySpec& deploy) {
    deploy.place = place_;
    if (const YamlNode* cluster = node.find("kubernetes"); cluster != nullptr && cluster->is_mapping()) {
      read_cluster_place(*cluster, references_, diagnostics_, deploy.place);
      read_cluster_exposure(*cluster, references_, diagnostics_, deploy);
    }
    for (const char* key : {"host", "port"}) {
      if (const YamlNode* written = node.find(key)) {
        diagnostics_.add(*written, fmt::format("`{}` belongs to a server on this machine", key),
                         "on Kubernetes a Service listens: see `kubernetes:` with `service` and `ingress`");
      }
    }
    if (deploy.most_replicas && deploy.resources.cpu == 0) {
      diagnostics_.add(*node.find("replicas"),
                       "servers are added by how much of their cpu they use, and it says none",
                       "add `resources: { cpu: … }`");
    }
    if (!deploy.model_in_image) {
      diagnostics_.add(*node.find("model"), "on Kubernetes a model is a layer of the image that serves it",
                       "leave `model: mounted` out");
    }
  }

  void read_containers(const YamlNode& node, DeploySpec& deploy) {
    const bool in_cluster = deploy.target == "kubernetes";
    deploy.image = images_.use(node.find("image"), "server", in_cluster);
    if (!in_cluster) {
      deploy.gateway_image = images_.use(nullptr, "gateway");
    }
    if (const YamlNode* resources = node.find("resources")) {
      read_resources(*resources, references_, diagnostics_, deploy.resources);
    }
    if (const YamlNode* command = node.find("command")) {
      for (const YamlNode& item : command->items) {
        deploy.command.push_back(text(&item).value_or(""));
      }
    }
    if (const YamlNode* port = node.find("container-port")) {
      deploy.container_port = integer(*port, 1, largest_port, "a port from 1 to 65535").value_or(8080);
    }
    deploy.model_in_image = text(node.find("model")).value_or("image") == "image";
  }

  void read_canary(const YamlNode& node, Strategy& strategy) {
    strategy.canary = true;
    if (const YamlNode* steps = node.find("steps")) {
      read_steps(*steps, strategy);
    }
    if (const YamlNode* terms = node.find("abort-if")) {
      for (const YamlNode& item : terms->items) {
        if (item.is_scalar() && !item.is_null()) {
          read_term(item, strategy);
        }
      }
    }
    if (const YamlNode* least = node.find("min-requests")) {
      strategy.min_requests =
          integer(*least, 0, most_requests, fmt::format("a whole number from 0 to {}", most_requests))
              .value_or(0);
    }
    const std::string no_data = text(node.find("on-no-data")).value_or("probe");
    strategy.on_no_data = no_data == "hold"    ? Strategy::OnNoData::hold
                          : no_data == "abort" ? Strategy::OnNoData::abort
                                               : Strategy::OnNoData::probe;
  }

  void read_steps(const YamlNode& node, Strategy& strategy) {
    int weight = 0;
    for (const YamlNode& item : node.items) {
      if (const YamlNode* next = item.find("weight")) {
        const auto percent = integer(*next, 1, 99, "a share of the requests in percent, from 1 to 99");
        if (percent && *percent <= weight) {
          diagnostics_.add(*next, fmt::format("the weight before was {}, and this is {}", weight, *percent),
                           "weights rise from step to step; after the last comes 100");
        }
        weight = percent.value_or(weight);
        strategy.steps.push_back({weight, {}});
      } else if (const YamlNode* pause = item.find("pause")) {
        const auto found = text(pause);
        const auto duration = found ? parse_duration(*found) : std::nullopt;
        if (!duration) {
          diagnostics_.add(*pause, "expected a duration",
                           "write a number with a unit, as in 30s, 5m or 1h30m");
        } else if (weight == 0) {
          diagnostics_.add(*pause, "there is nothing to watch before the first weight",
                           "begin with a weight, as in { weight: 10 }");
        } else {
          strategy.steps.push_back({std::nullopt, *duration});
        }
      }
    }
    if (node.is_sequence() && node.items.empty()) {
      diagnostics_.add(node, "a canary has at least one step", "as in [{ weight: 10 }, { pause: 30s }]");
    }
  }

  void read_term(const YamlNode& node, Strategy& strategy) {
    try {
      Strategy::Term term{std::string(trim(node.scalar)), parse_expression(node.scalar)};
      for (const Expression* reference : references_in(term.expression)) {
        check_metric(*reference, node);
      }
      strategy.abort_if.push_back(std::move(term));
    } catch (const ExpressionError& error) {
      diagnostics_.add(mark_inside(node, error.offset()), error.what(), error.hint());
    }
  }

  void check_metric(const Expression& reference, const YamlNode& node) {
    static const std::vector<std::string> known = {"error_rate", "p50", "p99", "requests"};
    const auto& parts = reference.reference;
    const bool of_current = parts.size() == 2 && parts.front() == "current";
    if ((parts.size() != 1 && !of_current) ||
        std::find(known.begin(), known.end(), parts.back()) == known.end()) {
      diagnostics_.add(mark_inside(node, reference.offset),
                       fmt::format("there is no '{}'", printable(reference.reference_text())),
                       "known: error_rate, p50, p99, requests, and each as current.X");
    }
  }

  const References& references_;
  Images& images_;
  const ClusterPlace& place_;
  Diagnostics& diagnostics_;
};

}  // namespace

DeploySpec read_deployment(const YamlNode& node, const References& references, Images& images,
                           const ClusterPlace& place, Diagnostics& diagnostics) {
  return DeployReader(references, images, place, diagnostics).read(node);
}

}  // namespace mlpipe
