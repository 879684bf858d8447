// The store's housekeeping with the real binary.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>

#include "pipeline/base/digest.hpp"
#include "tests/functional/serving.hpp"
#include "tests/functional/store_check.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* chain = R"(name: chain
params: { x: 1 }
steps:
  d1:
    run: |
      echo d1 >> @SIDE@/runs
      mkdir one; echo ${{ params.x }} > one/a; echo same > one/b; echo '#!/bin/sh' > one/c.sh; chmod +x one/c.sh
    outs: [one]
  d2:
    run: |
      echo d2 >> @SIDE@/runs
      cat ${{ steps.d1.outs.one }}/a > two; wc -l < @SIDE@/runs >> two
      echo "{\"loss\": $(wc -l < @SIDE@/runs)}" > m.json
    outs: [two, m.json]
    metrics: [m.json]
  d3:
    run: echo d3 >> @SIDE@/runs; cat ${{ steps.d2.outs.two }} > three
    outs: [three]
)";

class StoreCommands : public testing::Test {
 protected:
  StoreCommands() {
    project_.pipeline(chain);
    EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  }

  // Public ids, the newest first.
  std::vector<std::string> ids(const Arguments& more = {}) const {
    Arguments arguments = {"store", "ls", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<std::string> found;
    for (const Json& row : project_.json(arguments)) {
      found.push_back(row.at("id"));
    }
    return found;
  }
  void gc(const Arguments& more) const {
    Arguments arguments = {"store", "gc"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_TRUE(exits(project_.mlpipe(arguments), 0));
    EXPECT_TRUE(exits(project_.mlpipe({"store", "verify"}), 0));
  }

  Project project_;
};

TEST_F(StoreCommands, OutputsAreReadOnly) {
  std::size_t seen = 0;
  for (const char* folder : {"blobs", "trees"}) {
    for (const auto& entry : fs::recursive_directory_iterator(project_.store() / folder)) {
      struct stat status {};
      ASSERT_EQ(::lstat(entry.path().c_str(), &status), 0);
      if (entry.is_regular_file() || std::string(folder) == "trees") {
        EXPECT_EQ(status.st_mode & 0222U, 0U) << entry.path();
        ++seen;
      }
    }
  }
  EXPECT_GT(seen, 8U);
}

TEST_F(StoreCommands, ListsCatsAndCompares) {
  EXPECT_TRUE(exits(project_.mlpipe({"run", "--force", "d2"}), 0));
  const Json list = project_.json({"store", "ls", "--json"});
  ASSERT_EQ(list.size(), 5U);
  EXPECT_EQ(list[0].at("step"), "d3");
  EXPECT_EQ(list[0].at("outcome"), "succeeded");
  EXPECT_EQ(list[0].at("held_by").at("kind"), "run");
  const std::vector<std::string> seconds = ids({"--step", "d2"});
  ASSERT_EQ(seconds.size(), 2U);
  EXPECT_TRUE(ids({"--failed"}).empty());
  EXPECT_TRUE(has(project_.mlpipe({"store", "ls"}).output, seconds[1].substr(0, 12) + "  d2 "));

  EXPECT_EQ(project_.mlpipe({"store", "cat", "d1/one/a"}).output, "1\n");
  EXPECT_EQ(project_.mlpipe({"store", "cat", seconds[1].substr(0, 8) + "/two"}).output, "1\n2\n");
  EXPECT_EQ(project_.mlpipe({"store", "cat", "d2@" + seconds[0] + "/two"}).output, "1\n4\n");
  const Json files = project_.json({"store", "cat", "d1/one", "--json"});
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[1].at("digest"), "sha256:" + digest_of("same\n").hex());
  EXPECT_EQ(files[2].at("executable"), true);
  EXPECT_EQ(project_.mlpipe({"store", "cat", "sha256:" + digest_of("same\n").hex()}).output, "same\n");
  EXPECT_EQ(project_.mlpipe({"store", "cat", digest_of("same\n").hex().substr(0, 10)}).output, "same\n");
  EXPECT_TRUE(has(project_.mlpipe({"store", "cat", "d1/one"}).output, "c.sh"));

  const Json difference = project_.json({"store", "diff", seconds[1], seconds[0], "--json"});
  EXPECT_EQ(difference.at("equal"), false);
  EXPECT_EQ(difference.at("changed").size(), 2U);
  EXPECT_EQ(entry_of(difference.at("changed"), "path", "m.json").at("numbers"),
            Json::parse(R"({"loss": {"a": 2, "b": 4}})"));
  EXPECT_TRUE(has(project_.mlpipe({"store", "diff", seconds[1], seconds[0]}).output, "loss: 2 → 4"));
  EXPECT_EQ(project_.mlpipe({"store", "diff", "d1/one", "d1/one"}).output, "no differences\n");
  const Json only = project_.json({"store", "diff", "d1", "d3", "--json"});
  EXPECT_EQ(only.at("only_in_a").size(), 3U);
  EXPECT_EQ(only.at("only_in_b").size(), 1U);
}

TEST_F(StoreCommands, WrongReferencesSayWhatThereIs) {
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"store", "cat", "d4/one"}, "did you mean"},
      {{"store", "cat", "d1/two"}, "it has one"},
      {{"store", "cat", "d1/one/z"}, "there is no 'z' in d1/one"},
      {{"store", "cat", "sha256:00000000"}, "holds no bytes"},
      {{"store", "cat", "d1@0000/one"}, "no result's id begins with '0000'"},
      {{"store", "pin", "d1/one/a"}, "only the whole folder can be pinned"},
      {{"store", "unpin", "d1"}, "is not pinned"},
      {{"store", "ls", "--step", "d4"}, "did you mean"},
      {{"store", "gc", "--keep-runs", "x"}, "'x' is not a number of runs"},
      {{"store", "export", "--all"}, "--to FILE.tar"},
      {{"store", "export", "--to", "x.tar"}, "export what?"},
      {{"store", "export", "d1/one", "--to", "x.tar"}, "is bytes"},
      {{"store", "import", "none.tar"}, "there is no such file"},
      {{"store"}, "mlpipe store --help"},
  };
  for (const auto& [arguments, message] : cases) {
    const Captured captured = project_.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, message));
  }
}

TEST_F(StoreCommands, GcKeepsExactlyWhatRootsReach) {
  EXPECT_TRUE(exits(project_.mlpipe({"run", "--force", "d2"}), 0));
  const std::vector<std::string> seconds = ids({"--step", "d2"});
  const std::string first = ids({"--step", "d1"}).at(0);
  const std::set<std::string> all = {first, seconds[0], seconds[1]};

  gc({"--dry-run", "--keep-runs", "0"});
  EXPECT_EQ(ids().size(), 5U);
  // Both of d2: d3 goes, d1 stays as what they were made from.
  EXPECT_TRUE(exits(project_.mlpipe({"store", "pin", seconds[0], "--name", "good"}), 0));
  EXPECT_TRUE(exits(project_.mlpipe({"store", "pin", seconds[1]}), 0));
  gc({"--keep-runs", "0"});
  const std::vector<std::string> left = ids({"--keep-runs", "0"});
  EXPECT_EQ(std::set<std::string>(left.begin(), left.end()), all);
  // One of d2: the other goes.
  EXPECT_EQ(project_.json({"store", "pins", "--json"}).size(), 2U);
  EXPECT_TRUE(exits(project_.mlpipe({"store", "unpin", "good"}), 0));
  gc({"--keep-runs", "0"});
  EXPECT_EQ(ids(), (std::vector<std::string>{seconds[1], first}));
  // Nothing: all goes.
  EXPECT_TRUE(exits(project_.mlpipe({"store", "unpin", seconds[1].substr(0, 12)}), 0));
  gc({"--keep-runs", "0"});
  EXPECT_TRUE(ids().empty());
  EXPECT_TRUE(fs::is_empty(project_.store() / "blobs" / "sha256"));
  EXPECT_TRUE(fs::is_empty(project_.store() / "trees"));
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(project_.runs("d1"), 2U);
}

TEST_F(StoreCommands, AllThatStoodForAStepOfAKeptRunStays) {
  Project project;
  project.pipeline("name: p\nsteps:\n  s: { run: \"echo $$ > o\", outs: [o], select: some(3) }\n");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_TRUE(exits(project.mlpipe({"run", "--force", "s"}), 0));
  ASSERT_EQ(results_of(project, "s"), 4U) << "the last run made one that is not chosen";
  EXPECT_TRUE(exits(project.mlpipe({"store", "gc", "--keep-runs", "1"}), 0));
  EXPECT_EQ(results_of(project, "s"), 4U) << "three stand for it, one ran";
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
}

TEST_F(StoreCommands, TheLastRunsAreKept) {
  EXPECT_TRUE(exits(project_.mlpipe({"run", "--set", "x=2"}), 0));
  gc({"--keep-runs", "2"});
  EXPECT_EQ(ids().size(), 6U);
  gc({"--keep-runs", "1"});
  EXPECT_EQ(ids().size(), 3U);
  EXPECT_TRUE(has(project_.mlpipe({"run", "--set", "x=2"}).error, "nothing changed"));
  // Another pipeline on the same store keeps its own.
  project_.write("other/pipeline.yaml", "name: other\nsteps: { o: { run: echo 1 > o, outs: [o] } }\n");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  project_.environment["MLPIPE_STORE"] = project_.store().string();
  EXPECT_TRUE(exits(project_.mlpipe({"run", "other"}), 0));
  gc({"--keep-runs", "1"});
  EXPECT_EQ(ids().size(), 4U);
}

TEST_F(StoreCommands, AJobThatRunsKeepsItsInputsWhenMlpipeIsGone) {
  project_.pipeline(
      std::string(chain) +
      "  slow:\n    run: touch @SIDE@/started; while [ ! -e @SIDE@/go ]; do sleep 0.02; done; cp ${{ "
      "steps.d1.outs.one }}/a out\n    outs: [out]\n");
  Background run = project_.start({"run"});
  project_.wait_for_side("started");
  const Captured in_use = project_.mlpipe({"store", "gc", "--no-wait"});
  EXPECT_TRUE(exits(in_use, 1));
  EXPECT_TRUE(has(in_use.error, "the store is in use by"));
  run.signal(SIGKILL);
  run.wait();
  gc({"--keep-runs", "0"});
  EXPECT_EQ(ids({"--step", "d1"}).size(), 1U);
  EXPECT_TRUE(ids({"--step", "d3"}).empty());
  project_.touch_side("go");
  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(project_.runs("d1"), 1U);
  EXPECT_EQ(project_.mlpipe({"store", "cat", "slow/out"}).output, "1\n");
}

TEST_F(StoreCommands, GcWaitsForARun) {
  project_.pipeline(
      std::string(chain) +
      "  slow:\n    run: touch @SIDE@/started; while [ ! -e @SIDE@/go ]; do sleep 0.02; done\n");
  Background run = project_.start({"run"});
  project_.wait_for_side("started");
  Background gc = project_.start({"store", "gc"});
  wait_until("gc says that it waits", [&] { return gc.error().find("waiting for") != std::string::npos; });
  EXPECT_TRUE(has(gc.error(), "which uses the store"));
  project_.touch_side("go");
  EXPECT_TRUE(exits(run.wait(), 0));
  EXPECT_TRUE(exits(gc.wait(), 0));
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed"));
}

TEST_F(StoreCommands, AKilledGcLeavesAWholeStore) {
  for (int kill = 0; kill < 12; ++kill) {
    EXPECT_TRUE(exits(project_.mlpipe({"run", "--force", "d1", "--set", "x=" + std::to_string(kill)}), 0));
    Background gc = project_.start({"store", "gc", "--keep-runs", kill % 2 == 0 ? "0" : "1"});
    ::usleep(static_cast<useconds_t>(kill * 1500));
    gc.signal(SIGKILL);
    gc.wait();
    EXPECT_TRUE(exits(project_.mlpipe({"store", "verify"}), 0)) << kill;
  }
  gc({"--keep-runs", "0"});
  EXPECT_TRUE(ids().empty());
  EXPECT_TRUE(fs::is_empty(project_.store() / "blobs" / "sha256"));
  project_.wait_for_removals();
}

TEST_F(StoreCommands, AFlippedByteIsFoundAndTheNextRunRebuildsJustThat) {
  const fs::path blob = project_.store() / "blobs" / "sha256" / digest_of("same\n").hex();
  fs::permissions(blob, fs::perms(0644));
  std::fstream(blob, std::ios::in | std::ios::out) << "S";
  fs::permissions(blob, fs::perms(0444));
  const std::string id = ids({"--step", "d1"}).at(0);
  const Captured verify = project_.mlpipe({"store", "verify"});
  EXPECT_TRUE(exits(verify, 1));
  EXPECT_TRUE(has(verify.output, blob.filename().string()));
  EXPECT_TRUE(has(verify.output, id.substr(0, 12) + " (d1)"));
  EXPECT_EQ(read_file(project_.store() / "quarantine" / "blobs" / blob.filename()), "Same\n");

  EXPECT_TRUE(exits(project_.mlpipe({"run"}), 0));
  EXPECT_EQ(project_.runs("d1"), 2U);
  EXPECT_EQ(project_.runs("d2"), 1U);
  EXPECT_EQ(project_.runs("d3"), 1U);
  EXPECT_EQ(project_.json({"store", "verify", "--json"}).at("faults").size(), 0U);
}

TEST_F(StoreCommands, AnotherStoreHoldsTheSameAndRunsNothing) {
  EXPECT_TRUE(exits(project_.mlpipe({"run", "--set", "x=2"}), 0));
  const std::string file = (project_.elsewhere() / "all.tar").string();
  EXPECT_TRUE(exits(project_.mlpipe({"store", "export", "--all", "--to", file}), 0));
  const std::vector<std::string> here = ids();
  project_.environment["MLPIPE_STORE"] = (project_.elsewhere() / "store").string();
  for (const std::size_t is_new : {6U, 0U}) {
    EXPECT_EQ(project_.json({"store", "import", file, "--json"}).at("results"), is_new);
    EXPECT_EQ(ids(), here);
    EXPECT_TRUE(exits(project_.mlpipe({"store", "verify"}), 0));
  }
  EXPECT_TRUE(has(project_.mlpipe({"run"}).error, "nothing changed: 3 steps cached"));
  const std::string back = (project_.elsewhere() / "back.tar").string();
  EXPECT_TRUE(exits(project_.mlpipe({"store", "export", "--all", "--to", back}), 0));

  // Unpacked, every file has the bytes that it is named after, whichever tool unpacks it.
  const fs::path unpacked = project_.elsewhere() / "unpacked";
  fs::create_directories(unpacked);
  Command tar;
  tar.arguments = {"tar", "-C", unpacked.string(), "-xf", file};
  EXPECT_TRUE(exits(run_and_capture(std::move(tar)), 0));
  std::size_t blobs = 0;
  for (const auto& entry : fs::directory_iterator(unpacked / "blobs" / "sha256")) {
    const fs::path name = entry.path().filename();
    EXPECT_EQ(read_file(entry.path()), read_file(project_.store() / "blobs" / "sha256" / name));
    EXPECT_EQ(digest_of_file(entry.path()).hex(), name.string());
    ++blobs;
  }
  EXPECT_GT(blobs, 6U);
}

TEST_F(StoreCommands, ShowsWhatTakesRoom) {
  const Json usage = project_.json({"store", "du", "--json"});
  EXPECT_EQ(usage.at("collectable"), 0);
  EXPECT_GT(usage.at("total"), usage.at("kinds").at("blobs"));
  EXPECT_GT(usage.at("steps").at("d1"), 0);
  EXPECT_GT(project_.json({"store", "du", "--keep-runs", "0", "--json"}).at("collectable"), 0);
  EXPECT_TRUE(has(project_.mlpipe({"store", "du"}).output, "of which gc would free"));
}

TEST(StoreOfModels, KeepsWhatAliasesAndDeploymentsNeed) {
  ServingProject project;
  for (const char* color : {"red", "green", "blue"}) {
    project.run(color);
  }
  const Json gc = project.json({"store", "gc", "--keep-runs", "0", "--json"});
  EXPECT_EQ(gc.at("releases"), Json::array({"tiny:1"}));
  const Json list = project.json({"models", "ls", "--json"});
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].at("in_store"), false);
  EXPECT_EQ(list[1].at("in_store"), true);
  EXPECT_TRUE(exits(project.mlpipe({"store", "verify"}), 0));
  for (const Arguments& arguments :
       {Arguments{"models", "promote", "tiny:1"}, Arguments{"models", "rollback", "--to", "1"},
        Arguments{"models", "export", "tiny:1", "--to", "x"}}) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 1));
    EXPECT_TRUE(has(captured.error, "`mlpipe store gc` took them"));
  }
  EXPECT_TRUE(exits(project.mlpipe({"models", "rollback"}), 0));
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "green");
  // Made again from its params, it is the release that it was.
  project.run("red");
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 3U);
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "red");
}

TEST(StoreOfModels, ADamagedReleaseIsNamedLoudly) {
  ServingProject project;
  project.run("red");
  const fs::path weights = project.store() / "blobs" / "sha256" /
                           digest_of_file(project.folder() / "colors/red/weights.safetensors").hex();
  fs::permissions(weights, fs::perms(0644));
  std::fstream(weights, std::ios::in | std::ios::out) << "XX";
  const Captured verify = project.mlpipe({"store", "verify"});
  EXPECT_TRUE(exits(verify, 1));
  EXPECT_TRUE(has(verify.output, "release tiny:1 (the alias prod)"));
  EXPECT_TRUE(has(verify.output, "run its pipeline with the params"));
  project.run("red");
  EXPECT_EQ(project.runs("make"), 2U);
  EXPECT_TRUE(exits(project.mlpipe({"store", "verify"}), 0));
}

TEST(StoreOfModels, ReleasesAndAliasesTravel) {
  ServingProject project;
  project.run("red");
  project.run("green");
  const std::string file = (project.elsewhere() / "model.tar").string();
  EXPECT_TRUE(exits(project.mlpipe({"store", "export", "--all", "--to", file}), 0));
  const Json here = project.json({"models", "ls", "--json"});
  const std::string store = (project.elsewhere() / "store").string();
  EXPECT_TRUE(exits(project.mlpipe({"store", "import", file, "--store", store}), 0));
  EXPECT_EQ(project.json({"models", "ls", "--json", "--store", store}), here);
  const fs::path to = project.elsewhere() / "exported";
  EXPECT_TRUE(
      exits(project.mlpipe({"models", "export", "tiny:1", "--to", to.string(), "--store", store}), 0));
  EXPECT_EQ(digest_of_file(to / "model.yaml"), digest_of_file(project.folder() / "colors/red/model.yaml"));
}

}  // namespace
}  // namespace mlpipe
