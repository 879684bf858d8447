// Each task from a table with words to what the server and `mlpipe predict` answer.
#include <fmt/format.h>
#include <httplib.h>

#include <cmath>
#include <sstream>

#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

// A price that follows from a size and a colour, and whether it is high.
std::string table() {
  std::string text = "size,colour,price,twice,high\n";
  for (int i = 0; i < 90; ++i) {
    const double size = (i * 37 % 90) / 9.0;
    const double price = 3 * size + (i % 3 == 0 ? 9 : i % 3 == 1 ? 0 : -9);
    text += fmt::format("{:.3f},{},{:.3f},{:.3f},{}\n", size,
                        i % 3 == 0   ? "red"
                        : i % 3 == 1 ? "\"green, dark\""
                                     : "blue",
                        price, -2 * price, price > 12 ? "yes" : "no");
  }
  return text;
}

class TrainedTable : public testing::Test {
 protected:
  // Trains, publishes and deploys.
  Json run(const std::string& train) const {
    project.write("table.csv", table());
    project.pipeline(
        fmt::format("name: table\nsteps:\n  train:\n    train:\n{}\n"
                    "model:\n  name: table\n  from: ${{{{ steps.train.outs.model }}}}\n"
                    "deploy: {{ alias: prod, target: local, port: 0 }}\n",
                    train));
    return project.json({"run", "--json"});
  }

  // What the trainer's evaluation said of each held-out example.
  std::vector<Json> held_out(const Json& run) const {
    const std::string digest = digest_of_output(run, "train", "report");
    std::istringstream lines(
        read_file(project.store() / "trees" / digest.substr(digest.find(':') + 1) / "held-out.jsonl"));
    std::vector<Json> rows;
    for (std::string line; std::getline(lines, line);) {
      rows.push_back(Json::parse(line));
    }
    return rows;
  }

  Json ask(const Json& data) const {
    const Address address = address_of(status_of(project).at("address"));
    httplib::Client client(address.host, address.port);
    const auto answer = client.Post("/predict", Json{{"data", data}}.dump(), "application/json");
    EXPECT_TRUE(answer && answer->status == 200) << (answer ? answer->body : "no answer");
    return answer ? Json::parse(answer->body) : Json();
  }

  Project project;
};

class Choices : public TrainedTable, public testing::WithParamInterface<std::string> {};

TEST_P(Choices, AreServedAsTheyWereEvaluated) {
  const std::string task = GetParam();
  const std::vector<Json> rows = held_out(run(
      fmt::format("      task: {}\n      data: {{ csv: table.csv, target: high, drop: [price, twice] }}\n"
                  "      network: linear\n      optimizer: {{ adam: {{ lr: 0.05 }} }}\n      epochs: 40\n",
                  task)));
  ASSERT_GE(rows.size(), 10U);
  const char* values = task == "svm" ? "margins" : "scores";
  Json all = Json::array();
  for (const Json& row : rows) {
    all.push_back(row.at("data"));
  }
  const Json answers = ask(all).at("predictions");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(answers[i].at("prediction"), rows[i].at("prediction"));
    EXPECT_NEAR(answers[i].at(values).at("no").get<double>(), rows[i].at("scores")[0].get<double>(), 1e-5);
    EXPECT_NEAR(answers[i].at(values).at("yes").get<double>(), rows[i].at("scores")[1].get<double>(), 1e-5);
  }
  const Captured low = project.mlpipe({"predict", "0.5, blue"});
  EXPECT_TRUE(exits(low, 0));
  EXPECT_TRUE(has(low.output, "no  ("));
  EXPECT_TRUE(has(project.mlpipe({"predict", R"([9.5, "red"])"}).output, "yes  ("));
  EXPECT_EQ(project.json({"predict", R"([9.5, "green, dark"])", "--json"}).at("prediction"), "yes");
  const Captured unknown = project.mlpipe({"predict", "9.5,purple"});
  EXPECT_TRUE(exits(unknown, 2));
  EXPECT_TRUE(
      has(unknown.error, "column 'colour' has no category 'purple': it is one of blue, green, dark, red"));
}

INSTANTIATE_TEST_SUITE_P(Tasks, Choices, testing::Values("classification", "binary", "svm"));

TEST_F(TrainedTable, ARegressionIsServedInTheTargetsUnits) {
  const std::vector<Json> rows =
      held_out(run("      task: regression\n"
                   "      data: { csv: table.csv, target: [price, twice], drop: [high] }\n"
                   "      network: linear\n      optimizer: { adam: { lr: 0.05 } }\n      epochs: 100\n"));
  ASSERT_GE(rows.size(), 10U);
  for (const Json& row : rows) {
    const Json prediction = ask(row.at("data")).at("prediction");
    for (std::size_t target = 0; target < 2; ++target) {
      EXPECT_NEAR(prediction[target].get<double>(), row.at("scores")[target].get<double>(), 1e-3);
      EXPECT_NEAR(prediction[target].get<double>(), row.at("target")[target].get<double>(), 5);
    }
  }
  const Captured text = project.mlpipe({"predict", "5,red"});
  EXPECT_TRUE(exits(text, 0));
  EXPECT_NEAR(std::stod(text.output), 24, 3) << text.output;
  EXPECT_NE(text.output.find(", -"), std::string::npos) << text.output;
}

}  // namespace
}  // namespace mlpipe
