// What counts as a change, and what does not.
#include <sys/stat.h>

#include <functional>

#include "tests/functional/project.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* pipeline = R"(name: watched
params: { x: 1, unused: 2 }
steps:
  first:
    run: echo first >> @SIDE@/runs; cat data/* > all; echo ${{ params.x }} $COLOR >> all
    deps: [data, tool.sh]
    env: { COLOR: red }
    outs: [all]
  second:
    run: echo second >> @SIDE@/runs; cp ${{ steps.first.outs.all }} copy
    outs: [copy]
)";

class Change : public testing::Test {
 protected:
  Change() {
    project_.pipeline(pipeline);
    project_.write("data/a.csv", "1,2\n");
    project_.write("data/b.csv", "3,4\n");
    project_.write("tool.sh", "true\n");
    EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
    EXPECT_EQ(project_.lines("runs").size(), 2U);
  }

  // What runs the first step now, and why.
  void expect_first_runs_because(const std::string& reason) const {
    const Json plan = project_.json({"plan", "--json"});
    EXPECT_EQ(state_of(plan, "first"), "run");
    EXPECT_EQ(reasons_of(plan, "first"), reason);
    EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
    EXPECT_EQ(project_.runs("first"), 2U);
    EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed"));
  }
  void expect_nothing_changed() const {
    const Captured run = project_.mlpipe({"run"});
    EXPECT_TRUE(exits(run, 0));
    EXPECT_EQ(run.error, "nothing changed: 2 steps cached, 0 jobs run\n");
    EXPECT_EQ(project_.lines("runs").size(), 2U);
  }

  Project project_;
};

TEST_F(Change, AFilesBytes) {
  project_.write("data/b.csv", "3,5\n");
  expect_first_runs_because("data/b.csv changed");
  EXPECT_EQ(project_.runs("second"), 2U);
}

TEST_F(Change, AFilesBytesOfTheSameSizeAndTime) {
  const fs::path file = project_.folder() / "data" / "b.csv";
  const auto time = fs::last_write_time(file);
  project_.write("data/b.csv", "4,3\n");
  fs::last_write_time(file, time);
  expect_first_runs_because("data/b.csv changed");
}

TEST_F(Change, AFilesName) {
  fs::rename(project_.folder() / "data" / "b.csv", project_.folder() / "data" / "c.csv");
  expect_first_runs_because("data/b.csv renamed to data/c.csv");
  EXPECT_EQ(project_.runs("second"), 1U) << "the first step yielded the same bytes";
}

TEST_F(Change, AFileMoreAndAFileLess) {
  project_.write("data/deeper/c.csv", "");
  const Json plan = project_.json({"plan", "--json"});
  EXPECT_EQ(reasons_of(plan, "first"), "data/deeper/c.csv added");
  fs::remove_all(project_.folder() / "data" / "deeper");
  expect_nothing_changed();
  fs::remove(project_.folder() / "data" / "b.csv");
  expect_first_runs_because("data/b.csv removed");
}

TEST_F(Change, AnExecutableBit) {
  fs::permissions(project_.folder() / "tool.sh", fs::perms::owner_exec, fs::perm_options::add);
  expect_first_runs_because("tool.sh is executable now");
}

TEST_F(Change, AnEnvironmentVariable) {
  project_.replace("pipeline.yaml", "COLOR: red", "COLOR: blue");
  expect_first_runs_because("env.COLOR: red → blue");
}

TEST_F(Change, AVariableMore) {
  project_.replace("pipeline.yaml", "COLOR: red", "COLOR: red, SIZE: 2");
  expect_first_runs_because("env.SIZE added");
}

TEST_F(Change, AnOutput) {
  project_.replace("pipeline.yaml", "outs: [all]", "outs: [all, tool.txt]");
  project_.replace("pipeline.yaml", "cat data/* > all", "cat data/* > all; touch tool.txt");
  expect_first_runs_because("command: 'touch tool.txt;' added, out tool.txt added");
}

TEST_F(Change, TheCommand) {
  project_.replace("pipeline.yaml", "cat data/* > all", "cat data/* data/* > all");
  expect_first_runs_because("command: 'data/*' added");
}

TEST_F(Change, ADependency) {
  project_.replace("pipeline.yaml", "deps: [data, tool.sh]", "deps: [data]");
  expect_first_runs_because("tool.sh removed");
}

TEST_F(Change, AnOutputThatTheStoreHasLost) {
  const Json report = project_.json({"run", "--json"});
  const std::string digest = digest_of_output(report, "second", "copy").substr(std::string("sha256:").size());
  remove_tree(project_.store() / "blobs" / "sha256" / digest);
  const Json plan = project_.json({"plan", "--json"});
  EXPECT_EQ(reasons_of(plan, "first"), "the bytes of its result are gone from the store")
      << "both wrote these bytes";
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(project_.runs("first"), 2U);
}

TEST_F(Change, NotACommentNorTheOrderOfKeys) {
  project_.pipeline(R"(# a comment
steps:
  second:   # it stands first now
    outs: ["copy"]
    run: echo second >> @SIDE@/runs; cp ${{ steps.first.outs.all }} copy
  first:
    env: { "COLOR": 'red' }
    outs:
      - all
    deps: [tool.sh, ./data/]
    run: echo first >> @SIDE@/runs; cat data/* > all; echo ${{params.x}} $COLOR >> all
params:
  unused: 2

  x: 1
name: watched
)");
  expect_nothing_changed();
}

TEST_F(Change, NotAnUnusedParam) {
  project_.replace("pipeline.yaml", "unused: 2", "unused: 3, another: 4");
  expect_nothing_changed();
}

TEST_F(Change, NotAnUndeclaredFile) {
  project_.write("README", "read me\n");
  expect_nothing_changed();
}

TEST_F(Change, NotATimestamp) {
  for (const char* name : {"pipeline.yaml", "data/a.csv", "data/b.csv", "tool.sh", "data"}) {
    fs::last_write_time(project_.folder() / name, fs::file_time_type::clock::now() + std::chrono::hours(5));
  }
  expect_nothing_changed();
}

TEST_F(Change, NotTheSameBytesWrittenAgain) {
  project_.write("data/a.csv", "1,2\n");
  expect_nothing_changed();
}

TEST_F(Change, NotTheFolderThatTheProjectLiesIn) {
  project_.rename_folder("another place");
  expect_nothing_changed();
}

TEST_F(Change, NotTheEnvironmentOfMlpipe) {
  project_.environment["COLOR"] = "green";
  project_.environment["LANG"] = "de_DE.UTF-8";
  expect_nothing_changed();
}

}  // namespace
}  // namespace mlpipe
