// k8s/monitoring/grafana-dashboard.json asks for nothing that the server does not say.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "pipeline/base/file.hpp"
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

// The names of the samples that a server which has answered one request exposes.
Names exposed_metrics() {
  Metrics metrics;
  Engine engine(loader_of(small_model(), first_value_wins));
  engine.load("/models/small", "7");
  const Router router = public_router(engine, metrics);
  EXPECT_EQ(ask(router, {"POST", "/predict", "", {}, R"({"data": [2, 0, 0, 0]})"}).status, 200);
  metrics.count_call("ModelInfer", "OK", std::chrono::milliseconds(1));
  std::istringstream text(ask(router, {"GET", "/metrics", "", {}, ""}).body);
  Names names;
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with('#')) {
      names.insert(line.substr(0, line.find_first_of("{ ")));
    }
  }
  return names;
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
