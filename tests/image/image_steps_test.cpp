// Images of a pipeline: when they are built, and why. The engine is a script that keeps images as files, so
// that what mlpipe asks of it is seen; tests/containers has the real ones.
#include <fmt/format.h>

#include "pipeline/base/text.hpp"
#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* engine = R"sh(#!/bin/sh
state=@STATE@
echo "$*" >> $state/calls
file() { echo $state/images/$(printf %s "$1" | tr -c 'a-zA-Z0-9.' _); }
case $1 in
  image)
    shift 5
    status=0
    for reference; do
      cat "$(file "$reference")" 2> /dev/null || { echo "Error: No such image: $reference" >&2; status=1; }
    done
    exit $status;;
  --version) echo Docker version 28.0.0, build 0;;
  pull)
    test -e $state/registry || { echo "Error: there is no network" >&2; exit 1; }
    echo sha256:pulled > "$(file "$3")";;
  build)
    while [ $# -gt 1 ]; do
      case $1 in --iidfile) ids=$2;; --build-arg) arg=$2;; esac
      shift
    done
    echo "$DOCKER_AUTH_CONFIG" > $state/credentials
    cp ../job.json $state/job.json
    echo "Step 1/1 : RUN make"
    if grep -q broken Dockerfile; then
      for i in $(seq 30); do echo line $i; done
      echo "The command 'make' returned a non-zero code: 2" >&2
      exit 1
    fi
    id=sha256:$( (cat Dockerfile; cd context; find . | sort; find . -type f | sort | xargs cat; echo $arg) |
      sha256sum | cut -d' ' -f1)
    echo $id > $ids
    echo $id > "$(file $id)"
    find context | sort >> $state/contexts;;
  tag) cp "$(file $2)" "$(file $3)";;
  *) exit 1;;
esac
)sh";

class Images : public testing::Test {
 protected:
  Images() {
    fs::create_directories(state() / "images");
    std::string script = engine;
    script.replace(script.find("@STATE@"), std::string("@STATE@").size(), state().string());
    fs::create_directories(project_.side("bin"));
    write_file_atomically(project_.side("bin") / "docker", script, 0755);
    project_.environment["PATH"] = project_.side("bin").string() + ":/usr/local/bin:/usr/bin:/bin";
    project_.environment["MLPIPE_ENGINE"] = "docker";
    project_.pipeline(R"(name: Digits_1
params: { device: cpu }
images:
  tools:
    dockerfile: docker/Dockerfile
    context: .
    args: { DEVICE: "${{ params.device }}" }
  unused: { dockerfile: nowhere/Dockerfile }
steps:
  other: { run: echo other > other, outs: [other] }
  use: { run: echo used > out, outs: [out], runs-on: container, image: tools }
)");
    project_.write("docker/Dockerfile", "ARG DEVICE\nFROM debian:12\nCOPY . /\nRUN make\n");
    project_.write(".dockerignore", "*.md\n.mlpipe\n");
    project_.write("source.c", "one");
    project_.write("README.md", "one");
    add_image("debian:12", "sha256:first");
  }

  fs::path state() const { return project_.side("engine"); }
  void add_image(const std::string& reference, const std::string& id) const {
    std::string file = reference;
    std::replace_if(
        file.begin(), file.end(), [](char c) { return c == ':' || c == '/'; }, '_');
    write_file_atomically(state() / "images" / file, id + "\n");
  }
  void remove_image(const std::string& id) const {
    fs::remove(state() / "images" / ("sha256_" + id.substr(7)));
  }
  // The calls of the engine since the last look.
  std::vector<std::string> calls() {
    const std::string text = read_file_if_exists(state() / "calls").value_or("");
    fs::remove(state() / "calls");
    return text.empty() ? std::vector<std::string>{} : split(trim(text), '\n');
  }
  std::size_t builds() {
    const std::vector<std::string> all = calls();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const std::string& call) { return call.starts_with("build "); }));
  }
  // Brings the image of the pipeline, and nothing else.
  Json run(const Arguments& more = {}) const {
    Arguments arguments = {"run", "--json", "--until", "images.tools"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return project_.json(arguments);
  }
  std::string why() const { return reasons_of(project_.json({"plan", "--json"}), "images.tools"); }
  std::string built_id() const {
    EXPECT_TRUE(
        exits(project_.mlpipe({"get", "images.tools/image", project_.side("image.json").string()}), 0));
    const std::string text = read_file(project_.side("image.json"));
    fs::remove(project_.side("image.json"));
    return Json::parse(text).at("id");
  }

  Project project_;
};

TEST_F(Images, CredentialsReachTheEngineAndNoFile) {
  project_.environment["DOCKER_AUTH_CONFIG"] = "a-credential";
  run();
  EXPECT_EQ(read_file(state() / "credentials"), "a-credential\n");
  const std::string job = read_file(state() / "job.json");
  EXPECT_TRUE(has(job, "DOCKER_AUTH_CONFIG"));
  EXPECT_TRUE(has_not(job, "a-credential"));
}

TEST_F(Images, AreBuiltOnceAndNamedAfterProjectAndContent) {
  EXPECT_EQ(why(), "no result yet");
  EXPECT_EQ(state_of(run(), "images.tools"), "succeeded");
  const std::vector<std::string> first = calls();
  EXPECT_EQ(std::count_if(first.begin(), first.end(),
                          [](const std::string& call) { return call.starts_with("build "); }),
            1);
  const std::string id = built_id();
  EXPECT_EQ(first.back(), "image inspect --format {{.Id}} -- mlpipe/digits-1/tools:" + id.substr(7, 12));
  calls();
  EXPECT_EQ(state_of(run(), "images.tools"), "cached");
  EXPECT_EQ(calls(), std::vector<std::string>{"image inspect --format {{.Id}} -- debian:12 " + id});
  const std::string log = project_.mlpipe({"logs", "images.tools"}).output;
  EXPECT_TRUE(has(log, "[1/1] RUN make"));
}

TEST_F(Images, SeeWhatTheRulesLeaveAndNothingOfTheStore) {
  project_.write("docs/guide.md", "x");
  project_.write("src/a.c", "x");
  project_.write("empty/.keep.md", "x");
  run();
  const std::string seen = read_file(state() / "contexts");
  EXPECT_TRUE(has(seen, "context/source.c\n"));
  EXPECT_TRUE(has(seen, "context/src/a.c\n"));
  EXPECT_TRUE(has(seen, "context/docker/Dockerfile\n"));
  EXPECT_TRUE(has(seen, "context/README.md") ? testing::AssertionFailure() : testing::AssertionSuccess());
  EXPECT_TRUE(has_not(seen, ".mlpipe"));
}

TEST_F(Images, AreBuiltAgainForWhatCountsOnly) {
  run();
  builds();
  project_.write("README.md", "two");
  EXPECT_EQ(state_of(run(), "images.tools"), "cached");
  project_.write("source.c", "two");
  EXPECT_EQ(why(), "source.c changed");
  EXPECT_EQ(state_of(run(), "images.tools"), "succeeded");
  project_.write("more.c", "x");
  EXPECT_EQ(why(), "more.c added");
  EXPECT_EQ(state_of(run(), "images.tools"), "succeeded");
  project_.write("docker/Dockerfile", "ARG DEVICE\nFROM debian:12\nCOPY . /opt\n");
  EXPECT_EQ(why(), "docker/Dockerfile changed");
  run();
  EXPECT_EQ(reasons_of(project_.json({"plan", "--json", "--set", "device=cuda"}), "images.tools"),
            "params.device: cpu → cuda");
  EXPECT_EQ(state_of(run({"--set", "device=cuda"}), "images.tools"), "succeeded");
  EXPECT_EQ(builds(), 4U);
  EXPECT_EQ(state_of(run(), "images.tools"), "cached") << "what was built before is still there";
  EXPECT_EQ(builds(), 0U);
}

TEST_F(Images, AreBuiltAgainWhenTheEngineHasThemNoLongerOrAnotherBase) {
  run();
  const std::string id = built_id();
  remove_image(id);
  EXPECT_EQ(why(), "the image is no longer in docker");
  builds();
  EXPECT_EQ(state_of(run(), "images.tools"), "succeeded");
  EXPECT_EQ(builds(), 1U);
  EXPECT_EQ(state_of(run(), "images.tools"), "cached");

  add_image("debian:12", "sha256:second");
  EXPECT_EQ(why(), "debian:12 is another image in docker now");
  EXPECT_EQ(state_of(run(), "images.tools"), "succeeded");
  EXPECT_EQ(state_of(run(), "images.tools"), "cached");
  add_image("debian:12", "sha256:first");
  EXPECT_EQ(state_of(run(), "images.tools"), "cached") << "the result of before stands again";
  fs::remove(state() / "images/debian_12");
  EXPECT_EQ(state_of(run(), "images.tools"), "cached") << "that a base was removed is no reason to build";
}

TEST_F(Images, AreAskedForOnceByARunWithNothingToDo) {
  project_.replace("pipeline.yaml", "image: tools }", "image: tools, if: params.device == 'none' }");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  calls();
  for (int i = 0; i < 2; ++i) {
    const Captured again = project_.mlpipe({"run"});
    EXPECT_TRUE(has(again.error, "nothing changed"));
    EXPECT_EQ(calls().size(), 1U);
  }
  project_.write("source.c", "two");
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "images.tools  run        source.c changed"));
  EXPECT_EQ(builds(), 1U);
  remove_image(built_id());
  EXPECT_TRUE(
      has(project_.mlpipe({"run"}).error, "images.tools  run        the image is no longer in docker"));
  EXPECT_EQ(builds(), 1U);
  add_image("debian:12", "sha256:second");
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "debian:12 is another image in docker now"));
  EXPECT_EQ(builds(), 1U);
  project_.write("new.c", "x");
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "new.c added"));
}

TEST_F(Images, ThatNoStepUsesAreNotAskedFor) {
  project_.replace("pipeline.yaml", ", runs-on: container, image: tools", "");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_TRUE(calls().empty());
}

TEST_F(Images, ABaseThatIsNotThereIsPulledByTheJob) {
  fs::remove(state() / "images/debian_12");
  const Captured failed = project_.mlpipe({"run", "--until", "images.tools"});
  EXPECT_TRUE(exits(failed, 1));
  EXPECT_TRUE(
      has(failed.error, "debian:12 is not in docker and cannot be pulled: Error: there is no network"));
  EXPECT_TRUE(has(failed.error, "docker pull debian:12"));
  write_file_atomically(state() / "registry", "");
  EXPECT_EQ(state_of(run(), "images.tools"), "succeeded");
  EXPECT_EQ(state_of(run(), "images.tools"), "cached");
}

TEST_F(Images, ABuildThatFailsShowsTheInstructionAndItsLastLines) {
  project_.write("docker/Dockerfile", "FROM debian:12\nRUN make # broken\n");
  const Captured failed = project_.mlpipe({"run", "--until", "images.tools"});
  EXPECT_TRUE(exits(failed, 1));
  EXPECT_TRUE(has(failed.error, "    the build failed at [1/1] RUN make\n        line 11\n"));
  EXPECT_TRUE(has(failed.error, "        line 30\n    exit status 2\n"));
  EXPECT_EQ(why(), "exit status 1 the last time");
}

TEST_F(Images, AreForcedAndDrawnLikeAnyStep) {
  run();
  builds();
  EXPECT_EQ(state_of(run({"--force", "images.tools"}), "images.tools"), "succeeded");
  EXPECT_EQ(builds(), 1U);
  EXPECT_TRUE(has(project_.mlpipe({"graph"}).output, "[\"images.tools\"]:::cached"));
  EXPECT_TRUE(has(project_.mlpipe({"why", "images.tools", "--key"}).output, "context 8:source.c "));
}

TEST_F(Images, WhatIsNotThereIsSaidAtItsPlace) {
  fs::remove_all(project_.folder() / "docker");
  const Captured lint = project_.mlpipe({"lint"});
  EXPECT_TRUE(exits(lint, 2));
  EXPECT_TRUE(has(lint.output + lint.error, "pipeline.yaml:5:"));
  EXPECT_TRUE(has(lint.output + lint.error, "docker/Dockerfile: there is no such file"));
  project_.write("docker/Dockerfile", "FROM debian:12\n");
  EXPECT_TRUE(exits(project_.mlpipe({"lint"}), 0));
  project_.write(".dockerignore", "[a\n");
  const Captured rules = project_.mlpipe({"lint"});
  EXPECT_TRUE(exits(rules, 1));
  EXPECT_TRUE(has(rules.error, ".dockerignore: line 1: '[a': the '[' has no ']'"));
}

TEST_F(Images, WithoutAnEngineTheStepSaysWhatToDo) {
  fs::remove(project_.side("bin") / "docker");
  project_.environment["PATH"] = project_.side("bin").string();
  project_.environment.erase("MLPIPE_ENGINE");
  const Captured failed = project_.mlpipe({"run", "--until", "images.tools"});
  EXPECT_TRUE(exits(failed, 1));
  EXPECT_TRUE(has(failed.error, "no container engine is installed"));
}

}  // namespace
}  // namespace mlpipe
