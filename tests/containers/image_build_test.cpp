// Images of a pipeline, built by the engines that are here.
#include <fmt/format.h>
#include <unistd.h>

#include "pipeline/base/text.hpp"
#include "tests/containers/engines.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class Builds : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    const FoundEngine& found = engine_of(GetParam());
    if (!found.engine) {
      GTEST_SKIP() << found.why_not;
    }
    engine_ = found.engine;
    programs_ = found.image_name;
    project_.environment = engine_->environment();
    project_.environment["MLPIPE_ENGINE"] = engine_->name();
    // A name of its own for each test: engines are shared.
    name_ = fmt::format("mlpipe-build-test-{}-{}", ::getpid(), engine_->name());
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
    if (!engine_) {
      return;
    }
    for (const std::string label : {"mlpipe.project", "mlpipe.test"}) {
      for (const std::string& id : images_with(label)) {
        engine_->run({"rmi", "--force", id});
      }
    }
  }

  std::vector<std::string> images_with(const std::string& label) const {
    const std::string found =
        engine_->ask({"images", "--quiet", "--filter", fmt::format("label={}={}", label, name_)});
    return found.empty() ? std::vector<std::string>{} : split(found, '\n');
  }

  void make_base(const std::string& content) {
    const TemporaryDirectory folder;
    write_file_atomically(folder.path() / "base", content);
    write_file_atomically(folder.path() / "Dockerfile", "FROM scratch\nCOPY base /base\n");
    engine_->ask(
        {"build", "--quiet", "--label", "mlpipe.test=" + name_, "--tag", base_, folder.path().string()});
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
  std::string programs_;  // an image with a shell
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
  EXPECT_EQ(why(), fmt::format("the image is no longer in {}", engine_->name()));
  EXPECT_EQ(state(), "succeeded");
  EXPECT_EQ(state(), "cached");
  make_base("two");
  EXPECT_EQ(why(), fmt::format("{} is another image in {} now", base_, engine_->name()));
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
}

TEST_P(Builds, MakeWhatFollowsRunAgainAndNothingElse) {
  project_.write("Dockerfile", "FROM " + programs_ + "\nCOPY source /source\n");
  project_.write("unused", "one");
  project_.replace("pipeline.yaml", "echo used > out", "cat /source > out");
  const Json first = project_.json({"run", "--json"});
  for (const char* step : {"images.tools", "before", "use", "after"}) {
    EXPECT_EQ(state_of(first, step), "succeeded") << step;
  }
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed: 4 steps cached, 0 jobs run"));

  project_.write("source", "two");
  const Json second = project_.json({"run", "--json"});
  EXPECT_EQ(state_of(second, "images.tools"), "succeeded");
  EXPECT_EQ(state_of(second, "use"), "succeeded");
  EXPECT_EQ(state_of(second, "after"), "succeeded");

  project_.write("unused", "two");  // it is in the context, and in no layer
  const Json third = project_.json({"run", "--json"});
  EXPECT_EQ(state_of(third, "images.tools"), "succeeded");
  EXPECT_EQ(state_of(third, "use"), "cached") << "the image is the same";
}

TEST_P(Builds, OfEqualContentGiveEqualImagesWithPodman) {
  if (GetParam() != Place::podman) {
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
  project_.replace("pipeline.yaml", "dockerfile: Dockerfile",
                   "dockerfile: Dockerfile, secrets: { token: \"${{ secrets.TOKEN }}\" }");
  // An ENV of its own: else an engine, whose cache outlives the tests, skips the RUN and its output.
  project_.write("Dockerfile", "FROM " + programs_ + "\nENV BUILT_FOR=" + project_.folder().string() +
                                   "\nRUN --mount=type=secret,id=token read x < /run/secrets/token;"
                                   " echo it is $x; test $x = sesame-6b1f\n");
  const Captured missing = run();
  EXPECT_TRUE(exits(missing, 2));
  EXPECT_TRUE(has(missing.error, "the secret 'TOKEN' is not there"));
  project_.environment["MLPIPE_SECRET_TOKEN"] = "sesame-6b1f";
  const Captured built = run();
  EXPECT_TRUE(exits(built, 0));
  EXPECT_TRUE(has_not(built.error, "is sesame-6b1f"));
  EXPECT_TRUE(has(project_.mlpipe({"logs", "images.tools"}).output, "it is ***"));
}

INSTANTIATE_TEST_SUITE_P(Engines, Builds, testing::Values(Place::docker, Place::podman),
                         [](const auto& place) { return name_of(place.param); });

}  // namespace
}  // namespace mlpipe
