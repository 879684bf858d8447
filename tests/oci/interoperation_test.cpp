// What is pushed, other people's tools read; what they push, is pulled.
#include "pipeline/base/digest.hpp"
#include "pipeline/oci/model_layer.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

#define NEEDS(program)                  \
  if (program_in_path(program).empty()) \
  GTEST_SKIP() << program << " is not there"

class Interoperation : public testing::Test {
 protected:
  void SetUp() override {
    NEEDS("docker-registry");
    NEEDS("skopeo");
    registry_ = std::make_unique<RealRegistry>();
    write_model(scratch_.path() / "model");
    make_layout();
    push_server();
  }
  fs::path layout() const { return scratch_.path() / "layout"; }
  // A server's image as an OCI layout.
  void make_layout() const {
    const fs::path layout = this->layout();
    fs::create_directories(layout / "blobs" / "sha256");
    const auto put = [&](const std::string& bytes) {
      write_file_atomically(layout / "blobs" / "sha256" / digest_of(bytes).hex(), bytes);
      return "sha256:" + digest_of(bytes).hex();
    };
    const std::string layer =
        read_file(write_model_layer(scratch_.path() / "model", scratch_.path() / "server.tar")
                      .file);  // any tar will do
    const std::string layer_digest = put(layer + std::string(512, '\0'));
    const std::string config = Json{{"architecture", "amd64"},
                                    {"os", "linux"},
                                    {"config", {{"Entrypoint", {"/mlpipe-serve"}}}},
                                    {"rootfs", {{"type", "layers"}, {"diff_ids", {layer_digest}}}}}
                                   .dump();
    const std::string manifest = Json{{"schemaVersion", 2},
                                      {"config",
                                       {{"mediaType", "application/vnd.oci.image.config.v1+json"},
                                        {"digest", put(config)},
                                        {"size", config.size()}}},
                                      {"layers",
                                       {{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                         {"digest", layer_digest},
                                         {"size", layer.size() + 512}}}}}
                                     .dump();
    write_file_atomically(layout / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    write_file_atomically(layout / "index.json",
                          Json{{"schemaVersion", 2},
                               {"manifests",
                                {{{"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                  {"digest", put(manifest)},
                                  {"size", manifest.size()},
                                  {"annotations", {{"org.opencontainers.image.ref.name", "1"}}}}}}}
                              .dump());
  }
  void push_server() const {
    output_of({"skopeo", "copy", "--dest-tls-verify=false", "oci:" + layout().string() + ":1",
               "docker://" + registry_->name() + "/team/server:1"});
  }
  std::string name(const std::string& tag) const { return registry_->name() + "/team/digits:" + tag; }
  Json push(const Environment& more = {}) {
    const std::string description =
        R"({"descriptor": {"name": "digits", "version": "7"}, "config": {"format": "safetensors"}, "annotations": {}})";
    return Json::parse(output_of(
        {registry_program(), "push", "--to", registry_->name() + "/team/digits", "--version", "7", "--model",
         (scratch_.path() / "model").string(), "--server", registry_->name() + "/team/server:1"},
        description, more));
  }
  void expect_model(const fs::path& folder) {
    for (const char* file : {"model.yaml", "weights.safetensors"}) {
      EXPECT_EQ(read_file(folder / file), read_file(scratch_.path() / "model" / file));
    }
  }
  void pull(const std::string& tag) {
    const fs::path to = scratch_.path() / ("pulled-" + tag);
    const Json pulled = Json::parse(output_of({registry_program(), "pull", name(tag), "--to", to.string()}));
    expect_model(pulled.at("folder").get<std::string>());
  }

  TemporaryDirectory scratch_;
  std::unique_ptr<RealRegistry> registry_;
};

TEST_F(Interoperation, TwoManifestsOverTheSameBlobs) {
  const Json first = push();
  EXPECT_EQ(first.at("image").at("layers"), Json::parse(R"({"there": 0, "mounted": 1, "sent": 1})"));
  const Json second = push();
  EXPECT_EQ(second.at("image").at("layers"), Json::parse(R"({"there": 2, "mounted": 0, "sent": 0})"));
  EXPECT_EQ(first.at("image").at("digest"), second.at("image").at("digest"));
  EXPECT_EQ(first.at("artifact").at("digest"), second.at("artifact").at("digest"));
  pull("7");
  pull("7-model");
  const Json image =
      Json::parse(output_of({"skopeo", "inspect", "--tls-verify=false", "--raw", "docker://" + name("7")}));
  const Json artifact = Json::parse(
      output_of({"skopeo", "inspect", "--tls-verify=false", "--raw", "docker://" + name("7-model")}));
  EXPECT_EQ(image.at("layers").back().at("digest"), artifact.at("layers").at(0).at("digest"));
  EXPECT_EQ(artifact.at("artifactType"), "application/vnd.cncf.model.manifest.v1+json");
  EXPECT_EQ(artifact.at("layers").at(0).at("mediaType"), "application/vnd.cncf.model.weight.v1.tar");
}

TEST_F(Interoperation, InPiecesItIsTheSame) {
  const Json whole = push();
  registry_ = std::make_unique<RealRegistry>();
  push_server();
  const Json pieces = push({{"MLPIPE_REGISTRY_CHUNK", "1000"}});
  EXPECT_EQ(pieces.at("image").at("digest"), whole.at("image").at("digest"));
  pull("7-model");
}

TEST_F(Interoperation, SkopeoCopiesTheImage) {
  push();
  const fs::path to = scratch_.path() / "copied";
  output_of(
      {"skopeo", "copy", "--src-tls-verify=false", "docker://" + name("7"), "oci:" + to.string() + ":7"});
  const Json config = Json::parse(output_of({"skopeo", "inspect", "--config", "oci:" + to.string() + ":7"}));
  EXPECT_EQ(config.at("rootfs").at("diff_ids").size(), 2U);
}

TEST_F(Interoperation, CraneReadsTheImage) {
  NEEDS("crane");
  push();
  output_of({"crane", "validate", "--fast", "--remote", name("7")});
  const Json manifest = Json::parse(output_of({"crane", "manifest", name("7-model")}));
  EXPECT_EQ(manifest.at("config").at("mediaType"), "application/vnd.cncf.model.config.v1+json");
}

TEST_F(Interoperation, OrasPullsTheArtifact) {
  NEEDS("oras");
  push();
  const fs::path to = scratch_.path() / "oras";
  output_of({"oras", "pull", "--plain-http", "--output", to.string(), name("7-model")});
  const Json manifest =
      Json::parse(output_of({"oras", "manifest", "fetch", "--plain-http", name("7-model")}));
  EXPECT_EQ(manifest.at("artifactType"), "application/vnd.cncf.model.manifest.v1+json");
}

TEST_F(Interoperation, WhatOrasPushesIsPulled) {
  NEEDS("oras");
  write_file_atomically(scratch_.path() / "config.json",
                        R"({"descriptor": {"name": "theirs"}, "config": {}, "modelfs": {}})");
  Command command;
  command.arguments = {"oras",
                       "push",
                       "--plain-http",
                       "--config",
                       "config.json:application/vnd.cncf.model.config.v1+json",
                       name("theirs"),
                       "model/model.yaml:application/vnd.cncf.model.weight.config.v1.raw",
                       "model/weights.safetensors:application/vnd.cncf.model.weight.v1.raw",
                       "--artifact-type",
                       "application/vnd.cncf.model.manifest.v1+json",
                       "--annotation-file",
                       "annotations.json"};
  write_file_atomically(
      scratch_.path() / "annotations.json",
      R"({"model/model.yaml": {"org.cncf.model.filepath": "model.yaml"},)"
      R"( "model/weights.safetensors": {"org.cncf.model.filepath": "weights.safetensors"}})");
  command.work_directory = scratch_.path();
  ASSERT_TRUE(exits(run_and_capture(std::move(command)), 0));
  pull("theirs");
}

TEST_F(Interoperation, WhatIsNoModelIsRefused) {
  Command command;
  command.arguments = {registry_program(), "pull", registry_->name() + "/team/server:1", "--to",
                       (scratch_.path() / "x").string()};
  const Captured captured = run_and_capture(command);
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(has(captured.error, "neither a ModelPack artifact nor an image that mlpipe put a model into"));
  EXPECT_FALSE(fs::exists(scratch_.path() / "x"));
  command.arguments[2] = registry_->name() + "/team/none:1";
  const Captured none = run_and_capture(command);
  EXPECT_TRUE(exits(none, 2));
  EXPECT_TRUE(has(none.error, "has no such image or artifact"));
}

TEST_F(Interoperation, ARegistryThatIsNotThereIsNamed) {
  registry_->stop();
  Command command;
  command.arguments = {registry_program(), "pull", name("7"), "--to", (scratch_.path() / "x").string()};
  const Captured captured = run_and_capture(command);
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "cannot connect"));
  EXPECT_TRUE(has(captured.error, "is a registry running at " + registry_->name()));
}

}  // namespace
}  // namespace mlpipe
