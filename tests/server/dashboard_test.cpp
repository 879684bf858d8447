// The dashboard and the alerts in k8s/monitoring ask for nothing that the server does not say.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "pipeline/base/file.hpp"
#include "pipeline/base/yaml.hpp"
#include "server/protocol/routes.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;
using Names = std::set<std::string>;

// Every text at a key of that name, wherever it stands.
void collect(const Json& value, const std::set<std::string>& keys, std::vector<std::string>& texts) {
  for (const auto& [key, child] : value.items()) {
    if (child.is_string() && keys.contains(key)) {
      texts.push_back(child);
    } else if (child.is_structured()) {
      collect(child, keys, texts);
    }
  }
}

Names metrics_in(const std::string& text) {
  static const std::regex metric(R"(\b(nv|mlpipe|process)_[a-z0-9_]+)");
  return {std::sregex_token_iterator(text.begin(), text.end(), metric), std::sregex_token_iterator()};
}

// What a server which has answered one request exposes, without comments.
std::string exposed_text() {
  Metrics metrics;
  Engine engine(loader_of(small_model(), first_value_wins));
  engine.load("/models/small", "7");
  const Router router = public_router(engine, metrics);
  EXPECT_EQ(ask(router, {"POST", "/predict", "", {}, R"({"data": [2, 0, 0, 0]})"}).status, 200);
  metrics.count_call("ModelInfer", "OK", std::chrono::milliseconds(1));
  std::istringstream text(ask(router, {"GET", "/metrics", "", {}, ""}).body);
  std::string samples;
  for (std::string line; std::getline(text, line);) {
    samples += line.starts_with('#') ? "" : line + "\n";
  }
  return samples;
}

Names exposed_metrics() {
  std::istringstream text(exposed_text());
  Names names;
  for (std::string line; std::getline(text, line);) {
    names.insert(line.substr(0, line.find_first_of("{ ")));
  }
  return names;
}

// What stands before a value in quotes: `status="500"`, `path=~"/v2/.*"`.
Names labels_in(const std::string& text) {
  static const std::regex label(R"re(([a-z_]+)(=|!=|=~|!~)")re");
  return {std::sregex_token_iterator(text.begin(), text.end(), label, 1), std::sregex_token_iterator()};
}

TEST(Dashboard, NamesOnlyMetricsThatTheServerExposes) {
  const Json dashboard = Json::parse(read_file(MLPIPE_DASHBOARD));
  std::vector<std::string> expressions;
  collect(dashboard, {"expr", "query", "definition"}, expressions);
  ASSERT_GE(expressions.size(), 20U);
  const Names exposed = exposed_metrics();
  Names named;
  for (const std::string& expression : expressions) {
    for (const std::string& name : metrics_in(expression)) {
      named.insert(name);
      EXPECT_TRUE(exposed.contains(name)) << name << " in " << expression;
    }
  }
  // And nothing of note is left out.
  for (const std::string& name : exposed) {
    const bool is_part_of_histogram = name.ends_with("_count") || name.ends_with("_sum");
    EXPECT_TRUE(named.contains(name) || (is_part_of_histogram && !name.starts_with("nv_"))) << name;
  }
}

TEST(Alerts, NameOnlyMetricsAndLabelsThatTheServerExposes) {
  const YamlDocument document = parse_yaml("alerts.yaml", read_file(MLPIPE_ALERTS));
  const Names exposed = exposed_metrics();
  const Names labels = labels_in(exposed_text());
  const YamlNode& group = document.root.find("spec")->find("groups")->items.at(0);
  std::set<std::string> alerts;
  for (const YamlNode& rule : group.find("rules")->items) {
    EXPECT_TRUE(alerts.insert(rule.find("alert")->scalar).second) << rule.find("alert")->scalar;
    const std::string expression = rule.find("expr")->scalar;
    EXPECT_FALSE(metrics_in(expression).empty()) << expression;
    for (const std::string& name : metrics_in(expression)) {
      EXPECT_TRUE(exposed.contains(name)) << name << " in " << expression;
    }
    for (const std::string& name : labels_in(expression)) {
      EXPECT_TRUE(labels.contains(name)) << name << " in " << expression;
    }
  }
  EXPECT_GE(alerts.size(), 5U);
}

TEST(Dashboard, PanelsDoNotOverlap) {
  const Json dashboard = Json::parse(read_file(MLPIPE_DASHBOARD));
  std::set<std::pair<int, int>> taken;
  std::set<int> ids;
  for (const Json& panel : dashboard.at("panels")) {
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second);
    const Json& place = panel.at("gridPos");
    for (int x = place.at("x"); x < place.at("x").get<int>() + place.at("w").get<int>(); ++x) {
      EXPECT_LT(x, 24) << panel.at("title");
      for (int y = place.at("y"); y < place.at("y").get<int>() + place.at("h").get<int>(); ++y) {
        EXPECT_TRUE(taken.insert({x, y}).second) << panel.at("title");
      }
    }
  }
}

}  // namespace
}  // namespace mlpipe
