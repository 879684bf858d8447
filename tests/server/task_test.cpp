// What the routes answer for each task, and for tables with categories.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/protocol/routes.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

class Routes {
 public:
  explicit Routes(Model model)
      : engine_(loader_of(std::move(model), as_they_are)), router_(public_router(engine_, metrics_)) {
    engine_.load("/models/table", "7");
  }

  Response predict(const std::string& data) const {
    return ask(router_, {"POST", "/predict", "", {}, R"({"data": )" + data + "}"});
  }
  Response infer(const std::string& data, const std::string& more = "") const {
    return ask(router_, {"POST",
                         "/v2/models/table/infer",
                         "",
                         {},
                         R"({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 2], "data": )" +
                             data + "}]" + more + "}"});
  }
  Response get(const std::string& path) const { return ask(router_, {"GET", path, "", {}, ""}); }

 private:
  Engine engine_;
  Metrics metrics_;
  Router router_;
};

std::string error_in(const Response& response) {
  EXPECT_EQ(response.status, 400) << response.body;
  return Json::parse(response.body).value("error", "");
}

TEST(Tasks, ABinaryModelAnswersAsAClassification) {
  const Routes routes(table_with_colours(Task::binary, {"no", "yes"}));
  EXPECT_EQ(routes.predict(R"([0.25, "green"])").body,
            R"({"prediction":"yes","scores":{"no":0.25,"yes":1},"model":"table","version":"7"})");
}

TEST(Tasks, AnSvmAnswersWithMargins) {
  const Routes routes(table_with_colours(Task::svm, {"no", "yes"}));
  EXPECT_EQ(routes.predict(R"([-1.5, "red"])").body,
            R"({"prediction":"yes","margins":{"no":-1.5,"yes":0},"model":"table","version":"7"})");
}

TEST(Tasks, ARegressionAnswersWithItsTargets) {
  Model one = table_with_colours(Task::regression, {"price"});
  one.input_shape = {1};
  one.columns = {{"size", 0, 10}};
  one.preprocessing = {};
  EXPECT_EQ(Routes(one).predict("[3.5]").body, R"({"prediction":3.5,"model":"table","version":"7"})");
  EXPECT_EQ(Routes(one).predict("[[3.5], [-1]]").body,
            R"({"predictions":[{"prediction":3.5},{"prediction":-1}],"model":"table","version":"7"})");
  const Routes two(table_with_colours(Task::regression, {"width", "height"}));
  EXPECT_EQ(two.predict(R"([2.5, "green"])").body, R"({"prediction":[2.5,1],"model":"table","version":"7"})");
}

TEST(Tasks, ARegressionHasNoLabelInTheInferenceProtocol) {
  const Routes routes(table_with_colours(Task::regression, {"width", "height"}));
  const Json outputs = Json::parse(routes.get("/v2/models/table").body).at("outputs");
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_EQ(outputs[0].at("name"), "scores");
  EXPECT_EQ(outputs[0].at("shape"), Json::parse("[-1,2]"));
  const Json answer = Json::parse(routes.infer("[2.5, 1]").body);
  ASSERT_EQ(answer.at("outputs").size(), 1U) << answer;
  EXPECT_EQ(answer.at("outputs")[0].at("data"), Json::parse("[2.5,1]"));
  EXPECT_EQ(error_in(routes.infer("[2.5, 1]", R"(, "outputs": [{"name": "label"}])")),
            "outputs[0].name: 'label' is unknown, the only output is 'scores'");
}

TEST(Categories, AreSentAsTheirTexts) {
  const Routes routes(table_with_colours(Task::svm, {"a", "b"}));
  EXPECT_EQ(routes.predict(R"([[0, "green"], [5, "3"], [5, 3]])").body,
            R"({"predictions":[{"prediction":"b","margins":{"a":0,"b":1}},)"
            R"({"prediction":"a","margins":{"a":5,"b":2}},{"prediction":"a","margins":{"a":5,"b":2}}],)"
            R"("model":"table","version":"7"})");
}

TEST(Categories, AnUnknownOneIsRefusedWithTheKnownOnes) {
  Model model = table_with_colours(Task::svm, {"a", "b"});
  const Routes routes(model);
  EXPECT_EQ(error_in(routes.predict(R"([0, "blue"])")),
            "data[1]: column 'colour' has no category 'blue': it is one of red, green, 3");
  EXPECT_EQ(error_in(routes.predict(R"([[0, "red"], [0, 2]])")),
            "data[1][1]: column 'colour' has no category '2': it is one of red, green, 3");
  EXPECT_EQ(error_in(routes.predict("[0, null]")),
            "data[1]: it is null, column 'colour' takes a text: it is one of red, green, 3");
  EXPECT_EQ(error_in(routes.predict(R"(["red", "red"])")), "data[0]: it is a text, not a number");
  for (int i = 0; i < 20; ++i) {
    model.columns[1].categories.push_back("more " + std::to_string(i));
  }
  EXPECT_NE(error_in(Routes(model).predict(R"([0, "blue"])")).find("more 4 and 15 more"), std::string::npos);
}

TEST(Categories, AreIndicesInTheInferenceProtocol) {
  const Routes routes(table_with_colours(Task::svm, {"a", "b"}));
  EXPECT_EQ(Json::parse(routes.infer("[0, 2]").body).at("outputs")[0].at("data"), Json::parse("[0,2]"));
  EXPECT_EQ(routes.infer("[0, -1]").status, 200) << "a category that training did not have";
  EXPECT_EQ(error_in(routes.infer("[0, 3]")),
            "inputs[0].data: example 0, value 1: 3 is no whole number from -1 to 2");
  EXPECT_EQ(error_in(routes.infer("[0, 0.5]")),
            "inputs[0].data: example 0, value 1: 0.5 is no whole number from -1 to 2");
  EXPECT_EQ(routes.infer("[0.5, 0]").status, 200);
}

TEST(Categories, TheModelsDescriptionNamesThem) {
  const Routes routes(table_with_colours(Task::svm, {"a", "b"}));
  const Json described = Json::parse(routes.get("/model").body);
  EXPECT_EQ(described.at("task"), "svm");
  EXPECT_EQ(described.at("columns")[0].at("range"), Json::parse("[0,10]"));
  EXPECT_EQ(described.at("columns")[1], Json::parse(R"({"name":"colour","categories":["red","green","3"]})"));
}

TEST(Embedding, TakesOnlyItsIndices) {
  Model model = table_with_colours(Task::svm, {"a", "b"});
  model.columns.clear();
  model.preprocessing = {};
  model.network.layers.push_back({Embedding{5, 2}, {}, {}, {}, 0});
  const Routes routes(model);
  EXPECT_EQ(routes.predict("[0, 4]").status, 200);
  EXPECT_EQ(Json::parse(routes.get("/model").body).at("indices"), 5);
  EXPECT_EQ(error_in(routes.predict("[[0, 4], [5, 0]]")),
            "data: example 1, value 0: 5 is no whole number from 0 to 4");
  EXPECT_EQ(error_in(routes.predict("[0, -1]")),
            "data: example 0, value 1: -1 is no whole number from 0 to 4");
}

}  // namespace
}  // namespace mlpipe
