// The document at /openapi.json, and the pages that need no browser to be looked at.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "pipeline/base/file.hpp"
#include "server/protocol/routes.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

Response get(const Router& router, const std::string& path) {
  return ask(router, {"GET", path, "", {}, ""});
}

// "GET /metrics" of every operation in the document.
std::set<std::string> documented(const Json& document) {
  std::set<std::string> routes;
  for (const auto& [path, operations] : document.at("paths").items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(),
                     [](unsigned char character) { return static_cast<char>(std::toupper(character)); });
      routes.insert(upper + " " + path);
    }
  }
  return routes;
}

std::set<std::string> as_set(const std::vector<std::string>& routes) {
  return {routes.begin(), routes.end()};
}

class OpenApi : public testing::Test {
 protected:
  explicit OpenApi(Model model = small_model())
      : engine_(loader_of(std::move(model), first_value_wins)), router_(public_router(engine_, metrics_)) {
    engine_.load("/models/small", "7");
  }
  Json document() const { return Json::parse(get(router_, "/openapi.json").body); }

  Engine engine_;
  Metrics metrics_;
  Router router_;
};

TEST_F(OpenApi, HasEveryRouteOfThePublicPortAndNoOther) {
  EXPECT_EQ(documented(document()), as_set(router_.routes()));
  EXPECT_FALSE(document().at("paths").contains("/feedback"));
}

TEST_F(OpenApi, HasFeedbackWhereItIsTaken) {
  const TemporaryDirectory folder;
  const FeedbackDesk desk(folder.path(), FeedbackLimits{}, 1U << 20U);
  const Router router = public_router(engine_, metrics_, desk);
  const Json document = Json::parse(get(router, "/openapi.json").body);
  EXPECT_EQ(documented(document), as_set(router.routes()));
  EXPECT_TRUE(document.at("paths").contains("/feedback"));
  EXPECT_EQ(Json::parse(get(router, "/model").body).at("feedback"), true);
  EXPECT_EQ(Json::parse(get(router_, "/model").body).at("feedback"), false);
}

TEST_F(OpenApi, NamesEachOperationOnceAndAllThatCanComeOfIt) {
  const Json api = document();
  EXPECT_EQ(api.at("openapi"), "3.1.0");
  std::set<std::string> ids;
  for (const auto& [path, operations] : api.at("paths").items()) {
    for (const auto& [method, operation] : operations.items()) {
      EXPECT_TRUE(ids.insert(operation.at("operationId")).second) << operation.at("operationId");
      for (const char* status : {"200", "400", "401", "408", "413", "415", "431", "500", "503", "504"}) {
        EXPECT_TRUE(operation.at("responses").contains(status)) << method << " " << path << " " << status;
      }
      EXPECT_EQ(path.find('{') != std::string::npos, operation.at("responses").contains("404")) << path;
    }
  }
}

TEST_F(OpenApi, ReferencesLeadSomewhere) {
  const Json api = document();
  std::size_t found = 0;
  const Json flat = api.flatten();
  for (const auto& [place, value] : flat.items()) {
    if (value.is_string() && place.ends_with("/$ref")) {
      ++found;
      EXPECT_TRUE(api.contains(Json::json_pointer(value.get<std::string>().substr(1)))) << place;
    }
  }
  EXPECT_GT(found, 0U);
}

TEST_F(OpenApi, SaysWhatTheLoadedModelTakes) {
  const Json api = document();
  const auto body = [&api](const char* path) {
    return api.at("paths")
        .at(path)
        .at("post")
        .at("requestBody")
        .at("content")
        .at("application/json")
        .at("schema");
  };
  const Json flat = body("/predict").at("properties").at("data").at("anyOf")[0].at("anyOf")[0];
  EXPECT_EQ(flat.at("minItems"), 4);
  EXPECT_EQ(flat.at("maxItems"), 4);
  const Json tensor = body("/v2/models/{name}/infer").at("properties").at("inputs").at("items");
  EXPECT_EQ(tensor.at("properties").at("shape").at("minItems"), 4);
  const Json parameters =
      api.at("paths").at("/v2/models/{name}/versions/{version}").at("get").at("parameters");
  EXPECT_EQ(parameters[0].at("schema").at("enum"), Json::array({"small"}));
  EXPECT_EQ(parameters[1].at("schema").at("enum"), Json::array({"7", "latest"}));
}

class OpenApiOfATable : public OpenApi {
 protected:
  OpenApiOfATable() : OpenApi(table_with_colours(Task::classification, {"yes", "no", "perhaps"})) {}
};

TEST_F(OpenApiOfATable, NamesCategoriesAndLabels) {
  const Json api = document();
  const Json& post = api.at("paths").at("/predict").at("post");
  const Json data =
      post.at("requestBody").at("content").at("application/json").at("schema").at("properties").at("data");
  EXPECT_EQ(data.at("anyOf")[0].at("prefixItems")[1].at("enum"), Json::array({"red", "green", "3", 3}));
  const Json answer = post.at("responses").at("200").at("content").at("application/json").at("schema");
  EXPECT_EQ(answer.at("anyOf")[0].at("properties").at("prediction").at("enum"),
            Json::array({"yes", "no", "perhaps"}));
}

TEST(OpenApiStarting, Answers503BeforeTheFirstModel) {
  Engine engine(loader_of(small_model(), first_value_wins));
  Metrics metrics;
  EXPECT_EQ(get(public_router(engine, metrics), "/openapi.json").status, 503);
}

TEST_F(OpenApi, ItsPageIsOneDocumentWithoutOutsideResources) {
  for (const char* path : {"/", "/docs"}) {
    const Response page = get(router_, path);
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
    EXPECT_TRUE(page.body.ends_with("</html>\n"));
    for (const char* absent :
         {"http://", "https://", "src=\"//", "/* scripts */", "/* style.css */", "@import"}) {
      EXPECT_EQ(page.body.find(absent), std::string::npos) << path << " " << absent;
    }
    bool has_policy = false;
    for (const Header& header : page.headers) {
      if (header.name == "Content-Security-Policy") {
        has_policy = true;
        EXPECT_TRUE(header.value.starts_with("default-src 'none'")) << header.value;
        EXPECT_EQ(header.value.find('*'), std::string::npos) << header.value;
      }
    }
    EXPECT_TRUE(has_policy) << path;
  }
}

}  // namespace
}  // namespace mlpipe
