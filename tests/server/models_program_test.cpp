// mlpipe-serve with several models, from the command line and from a repository.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/server/serve_process.hpp"
#include "tests/server/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class SeveralModels : public testing::Test {
 protected:
  SeveralModels() {
    write_tiny_model(folder_.path() / "a", 0, "a");
    write_tiny_model(folder_.path() / "b", 1, "b");
    for (int version = 1; version <= 3; ++version) {
      write_tiny_model(repository() / "c" / std::to_string(version), version - 1, "c");
    }
  }
  fs::path repository() const { return folder_.path() / "repository"; }

  // The label that a model answers with, of a version where one is named.
  static std::string label(const ServeProcess& server, const std::string& model) {
    const WireResponse response = post_once(
        server.port(), fmt::format("/v2/models/{}/infer", model),
        R"({"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]})");
    return response.status == 200
               ? Json::parse(response.body).at("outputs")[1].at("data")[0].get<std::string>()
               : std::to_string(response.status);
  }

  TemporaryDirectory folder_;
};

TEST_F(SeveralModels, AreServedBesideEachOther) {
  const ServeProcess server(folder_.path(), folder_.path() / "a", {"--model", folder_.path() / "b"});
  EXPECT_EQ(label(server, "a"), "0");
  EXPECT_EQ(label(server, "b"), "1");
  EXPECT_EQ(label(server, "c"), "404");
  EXPECT_EQ(Json::parse(post_once(server.port(), "/predict", R"({"data": [1, 2, 3, 4]})").body).at("model"),
            "a");
  const Captured same = run_serve(
      {"--model", folder_.path() / "a", "--model", folder_.path() / "a", "--port", "0", "--admin-port", "0"});
  EXPECT_EQ(same.ending.exit_code, 2);
  EXPECT_NE(same.error.find("another --model is called 'a' too"), std::string::npos) << same.error;
}

TEST_F(SeveralModels, ComeAndGoFromTheRepository) {
  const ServeProcess server(folder_.path(), folder_.path() / "a", {"--repository", repository()});
  EXPECT_EQ(post_once(server.admin_port(), "/v2/repository/models/c/load", "").status, 401);
  EXPECT_EQ(post_once(server.port(), "/v2/repository/models/c/load", "").status, 404);
  EXPECT_EQ(server.admin_post("/v2/repository/models/c/load", "").status, 200);
  EXPECT_EQ(label(server, "c"), "2");
  EXPECT_EQ(server
                .admin_post("/v2/repository/models/c/load",
                            R"({"parameters": {"version": "1", "takeover": "beside"}})")
                .status,
            200);
  EXPECT_EQ(label(server, "c"), "2");
  EXPECT_EQ(label(server, "c/versions/1"), "0");
  EXPECT_EQ(server.admin_post("/admin/alias", R"({"model": "c", "alias": "prod", "version": "1"})").status,
            200);
  EXPECT_EQ(label(server, "c/versions/prod"), "0");
  EXPECT_EQ(server.admin_post("/admin/weights", R"({"model": "c", "weights": {"1": 1}})").status, 200);
  EXPECT_EQ(label(server, "c"), "0");
  EXPECT_EQ(server.admin_post("/v2/repository/models/c/unload", "{}").status, 200);
  EXPECT_EQ(label(server, "c"), "404");
  EXPECT_EQ(label(server, "a"), "0");
}

TEST_F(SeveralModels, ARepositoryMustBeThere) {
  const Captured none =
      run_serve({"--model", folder_.path() / "a", "--port", "0", "--repository", folder_.path() / "none"});
  EXPECT_EQ(none.ending.exit_code, 2);
  EXPECT_NE(none.error.find("--repository"), std::string::npos) << none.error;
}

}  // namespace
}  // namespace mlpipe
