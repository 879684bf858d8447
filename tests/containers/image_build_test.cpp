// Images of a pipeline, built by the engines that are here. They are tiny: FROM scratch, with mlpipe's own
// static agent as the program that runs in them.
#include <fmt/format.h>
#include <unistd.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/container/engine.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// Why the engine cannot be used here; empty: it can.
std::string why_not(const std::string& name) {
  try {
    Engine::find(name, own_environment()).ask({"ps", "--quiet"});
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

class Builds : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_not(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    engine_.emplace(Engine::find(GetParam(), own_environment()));
    project_.environment = engine_->environment();
    project_.environment["MLPIPE_ENGINE"] = GetParam();
    // A name of its own for each test: engines are shared.
    name_ = fmt::format("mlpipe-build-test-{}-{}", ::getpid(), GetParam());
    base_ = "localhost/" + name_ + ":base";
    project_.pipeline(fmt::format(R"(name: {}
images:
  tools: {{ dockerfile: Dockerfile }}
steps:
  before: {{ run: echo before > before, outs: [before] }}
  use: {{ run: echo used > out, outs: [out], runs-on: container, image: tools }}
  after: {{ run: "cat ${{{{ steps.use.outs.out }}}} > after", outs: [after], runs-on: local }}
)",
                                  name_));
    fs::copy_file(fs::path(MLPIPE_PROGRAMS) / "mlpipe-agent", project_.folder() / "program");
    project_.write("source", "one");
    project_.write("notes.md", "one");
    project_.write(".dockerignore", "*.md\n.mlpipe\npipeline.yaml\n");
    project_.write("Dockerfile", "FROM " + base_ + "\nCOPY . /\n");
    make_base("one");
  }

  void TearDown() override {
    if (engine_) {
      const Captured found = engine_->run({"images", "--quiet", "--filter", "label=mlpipe.project=" + name_});
      for (const std::string& id : split(trim(found.output), '\n')) {
        if (!id.empty()) {
          engine_->run({"rmi", "--force", id});
        }
      }
      engine_->run({"rmi", "--force", base_});
    }
  }

  // The machine's own shell, with the libraries that it loads, below "shell".
  void bring_shell() const {
    Command ldd;
    ldd.arguments = {"ldd", "/bin/sh"};
    std::vector<std::string> files = {"/bin/sh"};
    for (const std::string& word : split(run_and_capture(ldd).output, ' ')) {
      const std::string_view path = trim(word);
      if (path.find('/') != std::string_view::npos) {
        files.emplace_back(path.substr(path.find('/')));
      }
    }
    for (const std::string& file : files) {
      const fs::path to = project_.folder() / ("shell" + file);
      fs::create_directories(to.parent_path());
      fs::copy_file(file, to, fs::copy_options::overwrite_existing);
    }
  }

  void make_base(const std::string& content) {
    const TemporaryDirectory folder;
    write_file_atomically(folder.path() / "base", content);
    write_file_atomically(folder.path() / "Dockerfile", "FROM scratch\nCOPY base /base\n");
    engine_->ask({"build", "--quiet", "--tag", base_, folder.path().string()});
  }

  Captured run() const { return project_.mlpipe({"run", "--until", "images.tools"}); }
  std::string state() const {
    return state_of(project_.json({"run", "--json", "--until", "images.tools"}), "images.tools");
  }
  std::string why() const { return reasons_of(project_.json({"plan", "--json"}), "images.tools"); }
  Json image() const {
    const fs::path to = project_.side("image.json");
    EXPECT_TRUE(exits(project_.mlpipe({"get", "images.tools/image", to.string()}), 0));
    Json image = Json::parse(read_file(to));
    fs::remove(to);
    return image;
  }
  // Every path in the image's file system, without what engines put there themselves.
  std::string files_in(const std::string& id) const {
    const std::string container = engine_->ask({"create", "--name", name_, id, "none"});
    const fs::path archive = project_.side("image.tar");
    const Captured exported = engine_->run({"export", "--output", archive.string(), container});
    engine_->run({"rm", "--force", container});
    EXPECT_TRUE(exits(exported, 0));
    Command tar;
    tar.arguments = {"tar", "--list", "--file", archive.string()};
    std::vector<std::string> paths;
    for (const std::string& path : split(trim(run_and_capture(tar).output), '\n')) {
      const std::string top = path.substr(0, path.find('/'));
      if (top != "dev" && top != "etc" && top != "proc" && top != "sys" && top != "run" &&
          path != ".dockerenv") {
        paths.push_back(path.ends_with('/') ? path.substr(0, path.size() - 1) : path);
      }
    }
    std::sort(paths.begin(), paths.end());
    return join(paths, " ");
  }

  Project project_;
  std::optional<Engine> engine_;
  std::string name_;
  std::string base_;
};

TEST_P(Builds, HappenOnceAndAgainOnlyForWhatCounts) {
  const Captured first = run();
  ASSERT_TRUE(exits(first, 0));
  const Json built = image();
  EXPECT_EQ(engine_->image_id(built.at("name")), built.at("id"));
  EXPECT_EQ(engine_->ask({"image", "inspect", "--format", "{{index .Config.Labels \"mlpipe.project\"}}", "--",
                          built.at("id")}),
            name_);
  EXPECT_EQ(state(), "cached");
  project_.write("notes.md", "two");
  EXPECT_EQ(state(), "cached") << "the file is ignored";

  project_.write("source", "two");
  EXPECT_EQ(why(), "source changed");
  EXPECT_EQ(state(), "succeeded");
  EXPECT_NE(image().at("id"), built.at("id"));
  project_.write("source", "one");
  EXPECT_EQ(state(), "cached") << "the first image is still there";
  EXPECT_EQ(image(), built);
}

TEST_P(Builds, SeeExactlyWhatTheRulesLeave) {
  for (const char* path : {"src/a.c", "src/a.o", "src/deep/b.o", "src/deep/keep.o", "docs/guide.md",
                           "docs/README.md", "tmp/x", "logs/1", "logs/2", "a b", "x.tmp", "sub/x.tmp"}) {
    project_.write(path, path);
  }
  fs::create_directories(project_.folder() / "empty");
  fs::create_symlink("source", project_.folder() / "link");
  project_.write(
      ".dockerignore",
      "# rules\n.mlpipe\npipeline.yaml\nprogram\n**/*.o\n!src/deep/keep.o\ndocs\n!docs/README.md\n/tmp\n"
      "logs/?\n!logs/2\n*.tmp\nDockerfile\n");
  ASSERT_TRUE(exits(run(), 0));
  EXPECT_EQ(files_in(image().at("id")),
            ".dockerignore a b base docs docs/README.md empty link logs logs/2 notes.md source src src/a.c "
            "src/deep src/deep/keep.o sub sub/x.tmp");
}

TEST_P(Builds, HappenAgainWhenTheImageIsGoneOrItsBaseIsAnother) {
  ASSERT_TRUE(exits(run(), 0));
  engine_->ask({"rmi", "--force", image().at("id")});
  EXPECT_EQ(why(), "the image is no longer in " + GetParam());
  EXPECT_EQ(state(), "succeeded");
  EXPECT_EQ(state(), "cached");
  make_base("two");
  EXPECT_EQ(why(), base_ + " is another image in " + GetParam() + " now");
  EXPECT_EQ(state(), "succeeded");
  EXPECT_EQ(state(), "cached");
}

TEST_P(Builds, ThatFailShowTheInstructionAndItsLastLines) {
  project_.write("Dockerfile", "FROM scratch\nCOPY program /program\nRUN [\"/program\", \"nonsense\"]\n");
  const Captured failed = run();
  EXPECT_TRUE(exits(failed, 1));
  EXPECT_TRUE(has(failed.error, "the build failed at ["));
  EXPECT_TRUE(has(failed.error, "RUN [\"/program\", \"nonsense\"]\n"));
  EXPECT_TRUE(has(failed.error, "        mlpipe-agent"));
  EXPECT_TRUE(has(failed.error, "    exit status 2\n"));
  const Captured none = engine_->run({"images", "--quiet", "--filter", "label=mlpipe.project=" + name_});
  EXPECT_EQ(none.output, "");
}

TEST_P(Builds, OfWhatDoesNotChangeStopTheWorkThere) {
  ASSERT_TRUE(exits(run(), 0));
  const Json before = project_.json({"plan", "--json"});
  EXPECT_EQ(state_of(before, "images.tools"), "cached");
  EXPECT_EQ(state_of(before, "use"), "run");
  project_.write("source", "two");
  const Json after = project_.json({"plan", "--json"});
  EXPECT_EQ(state_of(after, "images.tools"), "run");
  EXPECT_EQ(state_of(after, "use"), "undecided");
  EXPECT_EQ(reasons_of(after, "use"), "after images.tools");
  EXPECT_EQ(reasons_of(after, "before"), reasons_of(before, "before"));
}

TEST_P(Builds, OfEqualContentGiveEqualImagesWithPodman) {
  if (GetParam() != "podman") {
    GTEST_SKIP() << "only buildah can set all times";
  }
  ASSERT_TRUE(exits(run(), 0));
  const Json first = image();
  engine_->ask({"rmi", "--force", first.at("id")});
  ASSERT_TRUE(exits(run(), 0));
  EXPECT_EQ(image(), first);
}

TEST_P(Builds, BringAnImageOfSomebodyElses) {
  project_.replace("pipeline.yaml", "{ dockerfile: Dockerfile }", "{ from: \"" + base_ + "\" }");
  ASSERT_TRUE(exits(run(), 0));
  EXPECT_EQ(image().at("id"), *engine_->image_id(base_));
  EXPECT_EQ(image().at("name"), base_);
  EXPECT_EQ(state(), "cached");
  make_base("two");
  EXPECT_EQ(state(), "succeeded");
  EXPECT_EQ(image().at("id"), *engine_->image_id(base_));
}

TEST_P(Builds, KeepSecretsOutOfImageAndLog) {
  bring_shell();
  project_.replace("pipeline.yaml", "dockerfile: Dockerfile",
                   "dockerfile: Dockerfile, secrets: { token: \"${{ secrets.TOKEN }}\" }");
  project_.write("Dockerfile",
                 "FROM scratch\nCOPY shell /\n"
                 "RUN --mount=type=secret,id=token [\"/bin/sh\", \"-c\", "
                 "\"read x < /run/secrets/token; echo it is $x; test $x = sesame-6b1f\"]\n");
  const Captured missing = run();
  EXPECT_TRUE(exits(missing, 2));
  EXPECT_TRUE(has(missing.error, "the secret 'TOKEN' is not there"));
  project_.environment["MLPIPE_SECRET_TOKEN"] = "sesame-6b1f";
  const Captured built = run();
  EXPECT_TRUE(exits(built, 0));
  EXPECT_TRUE(has_not(built.error, "sesame-6b1f"));
  const std::string log = project_.mlpipe({"logs", "images.tools"}).output;
  EXPECT_TRUE(has(log, "it is ***"));
  EXPECT_TRUE(has_not(engine_->ask({"image", "inspect", "--", image().at("id")}) +
                          engine_->ask({"history", "--no-trunc", "--", image().at("id")}),
                      "it is sesame"));
  EXPECT_TRUE(has_not(files_in(image().at("id")), "secrets/token"));
}

INSTANTIATE_TEST_SUITE_P(Engines, Builds, testing::Values("docker", "podman"),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace mlpipe
