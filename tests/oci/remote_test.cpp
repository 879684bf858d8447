// `remote:`: what one machine ran, another one gets. The same tests over every kind of remote.
#include <functional>

#include "pipeline/base/digest.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// A place for results that runs until the end of the test.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::string url() const = 0;
  virtual Environment environment() const { return {}; }
  virtual void stop() = 0;
};

class OciPlace : public Place {
 public:
  std::string url() const override { return "oci://" + registry_.name() + "/team/results"; }
  void stop() override { registry_.stop(); }

 private:
  RealRegistry registry_;
};

// S3 as versitygw speaks it, over a folder.
class S3Place : public Place {
 public:
  S3Place() {
    fs::create_directories(folder_.path() / "data" / "bucket");
    server_ = std::make_unique<TestServer>(
        program_in_path("versitygw"),
        std::vector<std::string>{"--port", "127.0.0.1:@PORT@", "--access", "me", "--secret", "hunter2",
                                 "posix", (folder_.path() / "data").string()},
        Environment{}, folder_.path());
  }
  std::string url() const override { return "s3://bucket/results/of-team"; }
  Environment environment() const override {
    return {{"AWS_ACCESS_KEY_ID", "me"},
            {"AWS_SECRET_ACCESS_KEY", "hunter2"},
            {"AWS_ENDPOINT_URL", "http://" + server_->address()}};
  }
  void stop() override { server_->stop(); }

 private:
  TemporaryDirectory folder_;
  std::unique_ptr<TestServer> server_;
};

struct Kind {
  const char* name;
  const char* program;
  std::function<std::unique_ptr<Place>()> make;
};
void PrintTo(const Kind& kind, std::ostream* stream) {
  *stream << kind.name;
}

class RemoteTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (program_in_path(GetParam().program).empty()) {
      GTEST_SKIP() << GetParam().program << " is not there";
    }
    place_ = GetParam().make();
    for (Project* project : {&one_, &two_}) {
      project->environment = place_->environment();
      write(*project, "a");
    }
  }
  // Both projects get the same file, or what they do would not be the same: one_ counts the runs of both.
  void write(Project& project, const std::string& input, const std::string& remote = "") const {
    const std::string runs = one_.side("runs").string();
    project.write("input", input);
    project.write("second.txt", "2");
    project.pipeline("name: travel\n" +
                     (remote == "none" ? "" : "remote: " + (remote.empty() ? place_->url() : remote)) +
                     R"(
steps:
  first:
    run: |
      echo first >> )" +
                     runs + R"(
      mkdir -p tree/sub; tr a-z A-Z < input > tree/sub/letters; touch tree/empty; printf '#!/bin/sh\n' > tree/go
      chmod +x tree/go
      echo '{"length": 1}' > m.json
    deps: [input]
    outs: [tree, m.json]
    metrics: [m.json]
  second:
    run: |
      echo second >> )" +
                     runs + R"(
      cat ${{ steps.first.outs.tree }}/sub/letters second.txt > out
    deps: [second.txt]
    outs: [out]
)");
  }
  static Json run(Project& project) { return project.json({"run", "--json"}); }

  Project one_{"one"};
  Project two_{"two"};
  std::unique_ptr<Place> place_;
};

TEST_P(RemoteTest, AnotherMachineRunsNothing) {
  const Json first = run(one_);
  EXPECT_EQ(state_of(first, "second"), "succeeded");
  EXPECT_EQ(one_.runs("second"), 1U);

  EXPECT_TRUE(has(reasons_of(two_.json({"plan", "--json"}), "first"), "cached in the remote"));
  const Json second = run(two_);
  EXPECT_EQ(state_of(second, "first"), "cached");
  EXPECT_EQ(state_of(second, "second"), "cached");
  EXPECT_EQ(one_.runs("first") + one_.runs("second"), 2U);
  for (const char* step : {"first", "second"}) {
    EXPECT_EQ(step_of(second, step).at("action_key"), step_of(first, step).at("action_key"));
  }
  EXPECT_EQ(digest_of_output(second, "first", "tree"), digest_of_output(first, "first", "tree"));
  ASSERT_TRUE(exits(two_.mlpipe({"get", "second/out", "got"}), 0));
  EXPECT_EQ(read_file(two_.folder() / "got"), "A2");
  EXPECT_TRUE(exits(two_.mlpipe({"store", "verify"}), 0));
  EXPECT_FALSE(run(two_).at("changed").get<bool>());
}

TEST_P(RemoteTest, OnlyWhatIsNewRuns) {
  run(one_);
  two_.write("second.txt", "3");
  const Json document = run(two_);
  EXPECT_EQ(state_of(document, "first"), "cached");
  EXPECT_EQ(state_of(document, "second"), "succeeded");
  EXPECT_EQ(one_.runs("first"), 1U);
  EXPECT_EQ(one_.runs("second"), 2U);
  // And goes back: what the second machine ran, the first one gets.
  one_.write("second.txt", "3");
  EXPECT_EQ(state_of(run(one_), "second"), "cached");
  EXPECT_EQ(one_.runs("second"), 2U);
}

TEST_P(RemoteTest, AForcedStepRuns) {
  run(one_);
  const Json document = two_.json({"run", "--json", "--force", "first"});
  EXPECT_EQ(one_.runs("first"), 2U);
  EXPECT_EQ(state_of(document, "first"), "succeeded");
}

TEST_P(RemoteTest, ARemoteThatIsDownIsLeftOut) {
  place_->stop();
  const Captured captured = one_.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 0));
  EXPECT_TRUE(has(captured.error, "the remote is left out: "));
  EXPECT_TRUE(has_not(captured.error, "hunter2"));
  EXPECT_EQ(one_.runs("second"), 1U);
}

TEST_P(RemoteTest, ARemoteThatIsRequiredIsNot) {
  place_->stop();
  write(one_, "a", "{ url: \"" + place_->url() + "\", required: true }");
  const Captured captured = one_.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "the remote is required, and cannot be used: "));
  EXPECT_EQ(one_.runs("first"), 0U);
}

TEST_P(RemoteTest, WhatWasMadeWithoutItIsSentLater) {
  write(one_, "a", "none");
  run(one_);
  write(one_, "a");
  one_.write("second.txt", "3");
  run(one_);
  const Json document = run(two_);
  EXPECT_EQ(state_of(document, "first"), "cached");
  EXPECT_EQ(one_.runs("first"), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Places, RemoteTest,
    testing::Values(Kind{"oci", "docker-registry", [] { return std::unique_ptr<Place>(new OciPlace); }},
                    Kind{"s3", "versitygw", [] { return std::unique_ptr<Place>(new S3Place); }}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(RemoteInFile, MustBeAPlaceThatIsKnown) {
  Project project;
  project.pipeline("name: x\nremote: ftp://x/y\nsteps:\n  a: { run: \"true\" }\n");
  const Captured captured = project.mlpipe({"lint"});
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(has(captured.error, "pipeline.yaml:2:9: 'ftp://x/y' is no remote"));
}

}  // namespace
}  // namespace mlpipe
