#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "pipeline/base/error.hpp"
#include "pipeline/cli/commands.hpp"
#include "pipeline/cli/with_plan.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

struct Node {
  std::string label;
  std::string state;  // its class in the drawing
};

struct Graph {
  std::vector<Node> nodes;
  std::vector<std::pair<std::size_t, std::size_t>> edges;  // from what is needed to what needs it
};

// How each state is drawn; the same in both notations.
struct Look {
  const char* state;
  const char* fill;
  const char* line;
};
constexpr Look looks[] = {{"cached", "#e6f4ea", "#34a853"},    {"run", "#fef7e0", "#f9ab00"},
                          {"undecided", "#f1f3f4", "#80868b"}, {"blocked", "#fce8e6", "#d93025"},
                          {"effect", "#e8f0fe", "#1a73e8"},    {"other", "#ffffff", "#80868b"}};

const Look& look_of(const std::string& state) {
  const Look* found = &looks[std::size(looks) - 1];
  for (const Look& look : looks) {
    if (state == look.state) {
      found = &look;
    }
  }
  return *found;
}

Graph graph_of(const Plan& plan, const Spec& spec) {
  Graph graph;
  std::unordered_map<std::string, std::size_t> index;
  for (const PlannedStep& planned : plan.steps()) {
    index[planned.step->name] = graph.nodes.size();
    for (const std::string& name : spec.upstream(*planned.step)) {
      graph.edges.emplace_back(index.at(name), graph.nodes.size());
    }
    graph.nodes.push_back({planned.step->name, name_of(planned.state)});
  }
  const std::size_t steps = graph.nodes.size();
  for (const std::string& name :
       spec.model ? spec.steps_named(spec.model->from.step) : std::vector<std::string>{}) {
    if (index.contains(name)) {
      graph.edges.emplace_back(index.at(name), steps);
    }
  }
  if (!graph.edges.empty() && graph.edges.back().second == steps) {
    graph.nodes.push_back({"model " + spec.model->name, "effect"});
    if (spec.deploy) {
      graph.edges.emplace_back(graph.nodes.size() - 1, graph.nodes.size());
      graph.nodes.push_back({"deploy " + spec.deploy->alias, "effect"});
    }
  }
  return graph;
}

// A label holds no quote and no backslash: names of steps, models and aliases have none.
void print_mermaid(const Graph& graph) {
  fmt::print("flowchart LR\n");
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    fmt::print("  n{}[\"{}\"]:::{}\n", i, graph.nodes[i].label, look_of(graph.nodes[i].state).state);
  }
  for (const auto& [from, to] : graph.edges) {
    fmt::print("  n{} --> n{}\n", from, to);
  }
  for (const Look& look : looks) {
    fmt::print("  classDef {} fill:{},stroke:{}\n", look.state, look.fill, look.line);
  }
}

void print_dot(const Graph& graph, const std::string& name) {
  fmt::print("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, style=filled];\n", name);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Look& look = look_of(graph.nodes[i].state);
    fmt::print("  n{} [label=\"{}\", class=\"{}\", fillcolor=\"{}\", color=\"{}\"];\n", i,
               graph.nodes[i].label, look.state, look.fill, look.line);
  }
  for (const auto& [from, to] : graph.edges) {
    fmt::print("  n{} -> n{};\n", from, to);
  }
  fmt::print("}}\n");
}

void print_json(const Graph& graph, const std::string& name) {
  Json nodes = Json::array();
  for (const Node& node : graph.nodes) {
    nodes.push_back({{"name", node.label}, {"state", node.state}});
  }
  Json edges = Json::array();
  for (const auto& [from, to] : graph.edges) {
    edges.push_back({{"from", graph.nodes[from].label}, {"to", graph.nodes[to].label}});
  }
  fmt::print("{}\n", Json{{"pipeline", name}, {"nodes", nodes}, {"edges", edges}}.dump(2));
}

}  // namespace

int graph_command(const Invocation& invocation) {
  if (invocation.has("--mermaid") + invocation.has("--dot") + invocation.json() > 1) {
    throw UsageError("--mermaid, --dot and --json exclude each other");
  }
  with_plan(invocation, [&](const Plan& plan, const Effects&, const Spec& spec) {
    const Graph graph = graph_of(plan, spec);
    if (invocation.json()) {
      print_json(graph, spec.name);
    } else if (invocation.has("--dot")) {
      print_dot(graph, spec.name);
    } else {
      print_mermaid(graph);
    }
  });
  return 0;
}

}  // namespace mlpipe
