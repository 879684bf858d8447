// Several models and versions by the admin port: repository, weights, aliases.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"
#include "server/protocol/routes.hpp"
#include "server/protocol/v2/repository.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

TEST(RepositoryNames, AreThoseOfOneFolder) {
  for (const std::string name : {"digits", "1", "v1.2", "a b", "caf\xc3\xa9"}) {
    EXPECT_TRUE(is_folder_name(name)) << name;
  }
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("../x"), std::string(".hidden"), std::string("a\0b", 3), std::string("a\nb"),
        std::string("\xff"), std::string(256, 'a')}) {
    EXPECT_FALSE(is_folder_name(name)) << name;
  }
}

TEST(RepositoryVersions, AreOrderedAsNumbersBehindTexts) {
  std::vector<std::string> versions = {"10", "9", "b", "007", "a", "8", "18446744073709551616", "0"};
  std::sort(versions.begin(), versions.end(), is_lower_version);
  EXPECT_EQ(versions,
            (std::vector<std::string>{"a", "b", "0", "007", "8", "9", "10", "18446744073709551616"}));
}

class Repository : public testing::Test {
 protected:
  Repository()
      : engine_([](const fs::path& directory) {
          return std::make_unique<const FakeModel>(read_model(directory), [](std::span<const float>) {
            return std::vector<float>{0, 1};
          });
        }),
        admin_(admin_router(engine_, metrics_, {[] {}, [] { return ReloadReport(); }, folder_.path()})),
        public_(public_router(engine_, metrics_)) {
    for (const std::string version : {"1", "2", "10", "draft"}) {
      write("digits", version, "digits");
    }
    write("iris", "3", "iris");
    write("liar", "1", "digits");
    fs::create_directories(folder_.path() / "empty" / "1");
    engine_.load(folder_.path() / "digits" / "1", "1");
  }

  void write(const std::string& model, const std::string& version, const std::string& name) const {
    const fs::path directory = folder_.path() / model / version;
    fs::create_directories(directory);
    std::ofstream(directory / "model.yaml")
        << "mlpipe-model: 1\nname: " << name
        << "\ntask: classification\ninput: {shape: [4]}\nlabels: [no, yes]\nweights: {file: model.pt}\n";
  }

  Response post(const std::string& path, const Json& body = Json::object()) const {
    return ask(admin_, {"POST", path, "", {}, body.dump()});
  }
  Json state() const { return Json::parse(ask(admin_, {"GET", "/admin/state", "", {}, ""}).body); }
  // The labels of a model's versions, as the protocol says them.
  Json versions(const std::string& model) const {
    return Json::parse(ask(public_, {"GET", "/v2/models/" + model, "", {}, ""}).body).at("versions");
  }

  TemporaryDirectory folder_;
  Engine engine_;
  Metrics metrics_;
  Router admin_;
  Router public_;
};

std::string error_in(const Response& response) {
  return Json::parse(response.body).at("error");
}

TEST_F(Repository, IsNotPublic) {
  for (const std::string path : {"/v2/repository/index", "/v2/repository/models/iris/load",
                                 "/v2/repository/models/digits/unload", "/admin/weights", "/admin/alias"}) {
    EXPECT_EQ(ask(public_, {"POST", path, "", {}, "{}"}).status, 404) << path;
  }
  EXPECT_EQ(versions("digits"), Json::parse(R"(["1"])"));
}

TEST_F(Repository, ListsWhatIsThere) {
  const auto row = [](const char* name, const char* version, const char* how, const char* reason) {
    return Json{{"name", name}, {"version", version}, {"state", how}, {"reason", reason}};
  };
  EXPECT_EQ(
      Json::parse(post("/v2/repository/index").body),
      Json({row("digits", "1", "READY", ""), row("digits", "draft", "UNAVAILABLE", "not loaded"),
            row("digits", "2", "UNAVAILABLE", "not loaded"), row("digits", "10", "UNAVAILABLE", "not loaded"),
            row("iris", "3", "UNAVAILABLE", "not loaded"), row("liar", "1", "UNAVAILABLE", "not loaded")}));
  EXPECT_EQ(Json::parse(post("/v2/repository/index", {{"ready", true}}).body),
            Json::array({row("digits", "1", "READY", "")}));
}

TEST_F(Repository, LoadsTheHighestVersionOrTheOneThatIsNamed) {
  EXPECT_EQ(post("/v2/repository/models/digits/load").status, 200);
  EXPECT_EQ(versions("digits"), Json::parse(R"(["10"])"));
  EXPECT_EQ(post("/v2/repository/models/digits/load", {{"parameters", {{"version", "2"}}}}).status, 200);
  EXPECT_EQ(versions("digits"), Json::parse(R"(["2"])"));
  const Response beside = post("/v2/repository/models/digits/load",
                               {{"parameters", {{"version", "draft"}, {"takeover", "beside"}}}});
  EXPECT_EQ(beside.status, 200) << beside.body;
  EXPECT_EQ(versions("digits"), Json::parse(R"(["2", "draft"])"));
}

TEST_F(Repository, AnotherModelIsServedBesideUntilItIsUnloaded) {
  EXPECT_EQ(post("/v2/repository/models/iris/load").status, 200);
  EXPECT_EQ(versions("iris"), Json::parse(R"(["3"])"));
  EXPECT_EQ(versions("digits"), Json::parse(R"(["1"])"));
  EXPECT_EQ(post("/v2/repository/models/iris/unload").status, 200);
  EXPECT_EQ(ask(public_, {"GET", "/v2/models/iris/ready", "", {}, ""}).status, 404);
  EXPECT_EQ(post("/v2/repository/models/iris/unload").status, 404);
  EXPECT_EQ(post("/v2/repository/models/digits/unload", {{"parameters", {{"version", "9"}}}}).status, 404);
  EXPECT_EQ(versions("digits"), Json::parse(R"(["1"])"));
}

TEST_F(Repository, NamesFromOutsideDoNotLeaveIt) {
  write("..evil", "1", "evil");
  const auto load_path = [](const std::string& name) { return "/v2/repository/models/" + name + "/load"; };
  for (const std::string name : {"..", ".", "%2e%2e", "..%2Fdigits", "digits%2F1", "%00", ".%2e", "..evil"}) {
    EXPECT_EQ(post(load_path(name)).status, 400) << name;
  }
  for (const std::string version : {"..", ".", "../iris", "1/../2", "/", ""}) {
    const Response response = post(load_path("digits"), {{"parameters", {{"version", version}}}});
    EXPECT_EQ(response.status, 400) << version;
    EXPECT_TRUE(error_in(response).starts_with("parameters.version: ")) << response.body;
  }
  EXPECT_EQ(state().at("load").at("version"), "1") << "nothing was tried";
}

TEST_F(Repository, SaysWhatCannotBeLoaded) {
  EXPECT_EQ(error_in(post("/v2/repository/models/none/load")), "model: the repository has no 'none'");
  EXPECT_EQ(post("/v2/repository/models/none/load").status, 404);
  EXPECT_EQ(post("/v2/repository/models/empty/load").status, 404);
  EXPECT_EQ(error_in(post("/v2/repository/models/digits/load", {{"parameters", {{"version", "7"}}}})),
            "parameters.version: the repository has 'digits' in the versions draft, 1, 2, 10");
  EXPECT_EQ(post("/v2/repository/models/digits/load", {{"parameters", {{"config", "{}"}}}}).status, 400);
  EXPECT_EQ(post("/v2/repository/models/digits/load", {{"parameters", {{"version", 2}}}}).status, 400);
  const Response lies = post("/v2/repository/models/liar/load");
  EXPECT_EQ(lies.status, 422);
  EXPECT_NE(error_in(lies).find("calls the model 'digits'"), std::string::npos) << lies.body;
  std::ofstream(folder_.path() / "iris" / "3" / "model.yaml") << "name: [";
  EXPECT_EQ(post("/v2/repository/models/iris/load").status, 422);
  EXPECT_EQ(versions("digits"), Json::parse(R"(["1"])"));
}

TEST_F(Repository, TrafficIsSharedOutByWeights) {
  const Json beside = {
      {"directory", (folder_.path() / "digits" / "2").string()}, {"version", "2"}, {"takeover", "beside"}};
  ASSERT_EQ(post("/admin/load", beside).status, 200);
  const Json before = state().at("models")[0].at("versions");
  EXPECT_EQ(before[0].at("weight"), 1);
  EXPECT_EQ(before[1].at("weight"), 0);
  const Response set = post("/admin/weights", {{"model", "digits"}, {"weights", {{"1", 90}, {"2", 10}}}});
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(Json::parse(set.body).at("versions")[1].at("weight"), 10);
  int of_second = 0;
  for (int i = 0; i < 100; ++i) {
    of_second += engine_.pick()->label() == "2" ? 1 : 0;
  }
  EXPECT_EQ(of_second, 10);
  const std::vector<std::pair<Json, int>> wrong = {{{{"model", "digits"}}, 400},
                                                   {{{"model", "digits"}, {"weights", {90, 10}}}, 400},
                                                   {{{"model", "digits"}, {"weights", {{"1", "90"}}}}, 400},
                                                   {{{"model", "digits"}, {"weights", {{"1", -1}}}}, 400},
                                                   {{{"model", "digits"}, {"weights", {{"1", 0}}}}, 400},
                                                   {{{"model", "digits"}, {"weights", Json::object()}}, 400},
                                                   {{{"model", "digits"}, {"weights", {{"3", 1}}}}, 404},
                                                   {{{"model", "none"}, {"weights", {{"1", 1}}}}, 404}};
  for (const auto& [body, status] : wrong) {
    EXPECT_EQ(post("/admin/weights", body).status, status) << body;
  }
  EXPECT_EQ(state().at("models")[0].at("versions")[0].at("weight"), 90);
}

TEST_F(Repository, AliasesMove) {
  ASSERT_EQ(
      post("/v2/repository/models/digits/load", {{"parameters", {{"version", "2"}, {"takeover", "beside"}}}})
          .status,
      200);
  for (const std::string version : {"1", "2"}) {
    const Response set = post("/admin/alias", {{"model", "digits"}, {"alias", "prod"}, {"version", version}});
    ASSERT_EQ(set.status, 200) << set.body;
    EXPECT_EQ(state().at("models")[0].at("aliases"), Json({{"prod", version}}));
    EXPECT_EQ(engine_.pick("digits", "prod")->label(), version);
  }
  EXPECT_EQ(post("/admin/alias", {{"model", "digits"}, {"alias", "latest"}, {"version", "1"}}).status, 400);
  EXPECT_EQ(post("/admin/alias", {{"model", "digits"}, {"alias", "1"}, {"version", "2"}}).status, 400);
  EXPECT_EQ(post("/admin/alias", {{"model", "digits"}, {"alias", "x"}, {"version", "9"}}).status, 404);
  EXPECT_EQ(post("/admin/alias", {{"model", "none"}, {"alias", "x"}, {"version", "1"}}).status, 404);
  EXPECT_EQ(post("/admin/alias", {{"model", "digits"}, {"alias", ""}, {"version", "1"}}).status, 400);
}

TEST_F(Repository, TakeoverIsOneOfTwoWords) {
  const Json body = {
      {"directory", folder_.path() / "digits" / "2"}, {"version", "2"}, {"takeover", "around"}};
  EXPECT_EQ(error_in(post("/admin/load", body)), "takeover: 'replace' or 'beside' is expected");
}

}  // namespace
}  // namespace mlpipe
