// What the server answers is what the trainer's own evaluation said, for every held-out example.
#include <httplib.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

constexpr double largest_difference = 1e-5;

struct HeldOut {
  Json data;
  std::string prediction;
  std::vector<double> scores;
};

// Trains the example with few epochs, deploys it, and reads what the trainer said of its held-out examples.
std::vector<HeldOut> train_and_deploy(const Project& project, const std::string& example) {
  const std::filesystem::path source = std::filesystem::path(MLPIPE_EXAMPLES) / example;
  std::filesystem::copy(source / "data", project.folder() / "data", std::filesystem::copy_options::recursive);
  std::string pipeline = read_file(source / "pipeline.yaml");
  pipeline.replace(pipeline.find("deploy: "), std::string::npos,
                   "deploy: { alias: prod, target: local, port: 0 }\n");
  pipeline.replace(pipeline.find("  gate: "),
                   pipeline.find('\n', pipeline.find("  gate: ")) - pipeline.find("  gate: "),
                   "  gate: accuracy > 0.3");
  project.pipeline(pipeline);
  const Json run = project.json({"run", "--json", "--set", "epochs=2"});
  const std::string digest = digest_of_output(run, "train", "report");
  const std::filesystem::path report = project.store() / "trees" / digest.substr(digest.find(':') + 1);
  std::vector<HeldOut> rows;
  std::istringstream lines(read_file(report / "held-out.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line);
    rows.push_back({row.at("data"), row.at("prediction"), row.at("scores")});
  }
  return rows;
}

void expect_same_scores(const std::vector<double>& served, const HeldOut& row) {
  ASSERT_EQ(served.size(), row.scores.size());
  for (std::size_t i = 0; i < served.size(); ++i) {
    EXPECT_LE(std::abs(served[i] - row.scores[i]), largest_difference);
  }
}

class ServedAnswers : public testing::TestWithParam<std::string> {};

TEST_P(ServedAnswers, AreThoseOfTheTrainersEvaluation) {
  const Project project;
  const std::vector<HeldOut> rows = train_and_deploy(project, GetParam());
  ASSERT_GE(rows.size(), 30U);
  const Address address = address_of(status_of(project).at("address"));
  httplib::Client client(address.host, address.port);
  client.set_keep_alive(true);

  Json all = Json::array();
  for (const HeldOut& row : rows) {
    const auto answer = client.Post("/predict", Json{{"data", row.data}}.dump(), "application/json");
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status, 200) << answer->body;
    const Json json = Json::parse(answer->body);
    const Json& label = json.at("prediction");
    EXPECT_EQ(label.is_string() ? label.get<std::string>() : label.dump(), row.prediction);
    std::map<std::string, double> by_label = json.at("scores");
    EXPECT_EQ(by_label.size(), row.scores.size());
    EXPECT_LE(std::abs(by_label.at(row.prediction) - *std::max_element(row.scores.begin(), row.scores.end())),
              largest_difference);
    for (const Json& value : row.data) {
      all.push_back(value);
    }
  }

  // All of them at once, by the Open Inference Protocol.
  const Json metadata = Json::parse(client.Get("/v2/models/" + GetParam())->body);
  Json shape = metadata.at("inputs")[0].at("shape");
  shape[0] = rows.size();
  const Json request{{"inputs",
                      {{{"name", metadata.at("inputs")[0].at("name")},
                        {"shape", shape},
                        {"datatype", "FP32"},
                        {"data", all}}}}};
  const auto answer = client.Post("/v2/models/" + GetParam() + "/infer", request.dump(), "application/json");
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->status, 200) << answer->body;
  const Json scores = Json::parse(answer->body).at("outputs")[0].at("data");
  const std::size_t classes = rows.front().scores.size();
  ASSERT_EQ(scores.size(), rows.size() * classes);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    expect_same_scores({scores.begin() + static_cast<std::ptrdiff_t>(i * classes),
                        scores.begin() + static_cast<std::ptrdiff_t>((i + 1) * classes)},
                       rows[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Examples, ServedAnswers, testing::Values("digits", "iris"));

}  // namespace
}  // namespace mlpipe
