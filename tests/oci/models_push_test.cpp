// `mlpipe models push` and `pull`, between two stores.
#include "pipeline/base/digest.hpp"
#include "pipeline/oci/model_pack.hpp"
#include "tests/functional/tiny_model.hpp"
#include "tests/oci/real_registry.hpp"
#include "tests/oci/tiny_release.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class ModelsPush : public testing::Test {
 protected:
  void SetUp() override {
    if (!RealRegistry::is_there()) {
      GTEST_SKIP() << "docker-registry is not there";
    }
    registry_ = std::make_unique<RealRegistry>();
    publish_tiny(here_, "red");
  }
  std::string at(const std::string& rest) const { return registry_->name() + "/team/tiny" + rest; }
  Captured pull(const Project& project, Arguments arguments) const {
    arguments.insert(arguments.begin(), {"models", "pull", "--store", (project.folder() / "s").string()});
    return project.mlpipe(arguments);
  }
  static Json list(const Project& project) {
    return project.json({"models", "ls", "--json", "--store", (project.folder() / "s").string()});
  }

  std::unique_ptr<RealRegistry> registry_;
  Project here_{"here"};
  Project there_{"there"};
};

TEST_F(ModelsPush, AReleaseTravelsWithWhereItCameFrom) {
  const Json pushed = here_.json({"models", "push", "tiny", at(""), "--json"});
  EXPECT_EQ(pushed.at("artifact").at("reference"), at(":1-model"));
  EXPECT_FALSE(pushed.contains("image"));
  const Captured pulled = pull(there_, {at(":1-model")});
  ASSERT_TRUE(exits(pulled, 0));
  EXPECT_TRUE(has(pulled.error, "tiny:1 is in the store"));
  const Json mine = here_.json({"models", "show", "tiny:1", "--json"});
  const Json theirs = list(there_).at(0);
  for (const char* key : {"model", "version", "digest", "metrics", "provenance", "published"}) {
    EXPECT_EQ(theirs.at(key), mine.at(key)) << key;
  }
  EXPECT_TRUE(exits(there_.mlpipe({"store", "verify", "--store", (there_.folder() / "s").string()}), 0));
}

TEST_F(ModelsPush, TwiceIsOnce) {
  EXPECT_EQ(here_.json({"models", "push", "tiny:1", at(":x"), "--json"}),
            here_.json({"models", "push", "tiny:1", at(":x"), "--json"}));
  ASSERT_TRUE(exits(pull(there_, {at(":x-model")}), 0));
  ASSERT_TRUE(exits(pull(there_, {at(":x-model")}), 0));
  EXPECT_EQ(list(there_).size(), 1U);
}

TEST_F(ModelsPush, AVersionThatStandsForOtherBytesIsNotReplaced) {
  here_.json({"models", "push", "tiny:1", at(""), "--json"});
  publish_tiny(there_, "blue");
  const Captured refused = there_.mlpipe({"models", "pull", at(":1-model")});
  EXPECT_TRUE(exits(refused, 2));
  EXPECT_TRUE(has(refused.error, "tiny:1 is another model in this store"));
  ASSERT_TRUE(exits(there_.mlpipe({"models", "pull", at(":1-model"), "--as", "tiny"}), 0));
  EXPECT_EQ(there_.json({"models", "ls", "--json"}).size(), 2U);
}

TEST_F(ModelsPush, GcKeepsWhatWasPulled) {
  here_.json({"models", "push", "tiny:1", at(""), "--json"});
  ASSERT_TRUE(exits(pull(there_, {at(":1-model")}), 0));
  const std::string store = (there_.folder() / "s").string();
  ASSERT_TRUE(exits(there_.mlpipe({"store", "gc", "--store", store}), 0));
  ASSERT_TRUE(exits(there_.mlpipe({"models", "export", "tiny:1", "--to", "out", "--store", store}), 0));
  EXPECT_EQ(read_file(there_.folder() / "out" / "model.yaml"),
            read_file(here_.folder() / "made" / "model.yaml"));
}

TEST_F(ModelsPush, AModelOfOthersGetsTheNextVersion) {
  const std::string description =
      R"({"descriptor": {"name": "theirs"}, "config": {"format": "safetensors"}, "annotations": {}})";
  output_of({registry_program(), "push", "--to", at("-theirs:v2"), "--version", "1", "--model",
             (here_.folder() / "made").string()},
            description);
  ASSERT_TRUE(exits(pull(there_, {at("-theirs:v2-model")}), 0));
  EXPECT_EQ(list(there_).at(0).at("model"), "tiny-theirs");
  EXPECT_EQ(list(there_).at(0).at("version"), 1);
  EXPECT_TRUE(exits(
      there_.mlpipe({"models", "show", "tiny-theirs", "--store", (there_.folder() / "s").string()}), 0));
}

TEST_F(ModelsPush, WhatIsNotWhatItSaysIsRefused) {
  here_.json({"models", "push", "tiny:1", at(""), "--json"});
  // The row of tiny:1 over other files.
  const Json pulled = Json::parse(
      output_of({registry_program(), "pull", at(":1-model"), "--to", (there_.folder() / "p").string()}));
  fs::remove_all(there_.folder() / "other");
  write_tiny_model(there_.folder() / "other", "green");
  const std::string description = Json{
      {"descriptor", {{"name", "tiny"}}},
      {"config", Json::object()},
      {"annotations",
       pulled.at("annotations")}}.dump();
  output_of({registry_program(), "push", "--to", at(":forged"), "--version", "1", "--model",
             (there_.folder() / "other").string()},
            description);
  const Captured refused = pull(there_, {at(":forged-model")});
  EXPECT_TRUE(exits(refused, 2));
  EXPECT_TRUE(has(refused.error, "its files are not those of the release tiny:1"));
  EXPECT_EQ(list(there_).size(), 0U);
}

TEST_F(ModelsPush, BadInput) {
  const auto refused = [&](const std::string& model, const std::string& reference, const std::string& why) {
    const Captured captured = here_.mlpipe({"models", "push", model, reference});
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, why));
  };
  refused("none", at(""), "none");
  refused("tiny", "--server=x", "");
  refused("tiny", "Not/A/Name", "names no image");
  refused("tiny", at(":1@sha256:" + std::string(64, 'a')), "is given a tag");
  EXPECT_TRUE(exits(pull(there_, {at(":none")}), 2));
}

}  // namespace
}  // namespace mlpipe
