#include "pipeline/exec/outline.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

// Longer than a tick of the file system's clock.
void let_settle() {
  std::this_thread::sleep_for(30ms);
}

constexpr const char* pipeline = R"(name: graph
params: { lr: 1 }
steps:
  a: { run: "make a", deps: [a.txt], outs: [out] }
  b: { run: "make b ${{ params.lr }}", deps: ["data/*.csv"], outs: [out] }
  c: { run: "use ${{ steps.a.outs.out }}", deps: [c.txt], outs: [out] }
  d: { run: "use ${{ steps.c.outs.out }}", outs: [out] }
  e: { run: "alone", outs: [out] }
)";

class OutlineTest : public testing::Test {
 protected:
  OutlineTest() {
    write("pipeline.yaml", pipeline);
    write("a.txt", "1");
    write("c.txt", "1");
    write("data/x.csv", "1");
    let_settle();
  }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((project() / name).parent_path());
    std::ofstream(project() / name) << text;
  }
  fs::path project() const { return folder_.path() / "project"; }
  fs::path outline_file() const { return fs::directory_iterator(store_.directory() / "outlines")->path(); }

  Outline::Key key() const { return {project() / "pipeline.yaml", {set_}, tools_}; }

  // Plans the whole pipeline, lets every step that runs succeed (or fail), and writes the outline.
  void run(const std::string& failing = "") {
    const LookedAt looked_at = LookedAt::now(&store_);
    const FileStamp stamp = stamp_of(key().file).value();
    const Spec spec = load_spec(key().file, {set_});
    WatchedDependencies watched;
    FileHashes hashes(&store_.database());
    Snapshot snapshot = take_snapshot(spec, {}, hashes, store_, &watched);
    snapshot.tools = tools_;
    Plan plan(spec, snapshot);
    finish(plan, failing);
    write_outline(store_, key(), stamp, spec, plan, snapshot, watched, looked_at, {}, nullptr);
    let_settle();
  }

  void finish(Plan& plan, const std::string& failing = "") {
    while (const auto index = plan.take_ready()) {
      const PlannedStep& planned = plan.steps()[*index];
      plan.finish(*index, add_result(planned, planned.step->name, planned.step->name != failing));
    }
  }

  Result add_result(const PlannedStep& planned, const std::string& bytes, bool succeeded = true) {
    Result result;
    result.action_key = planned.action_key;
    result.succeeded = succeeded;
    result.failure = succeeded ? "" : "exit status 1";
    result.log = store_.blobs().add("");
    if (succeeded) {
      result.outputs = {{"out", false, store_.blobs().add(bytes), bytes.size()}};
    }
    result.id = store_.add_result(result);
    return result;
  }

  // What the next run would plan, and how many it would leave out; writes the outline again as it would.
  struct Next {
    std::vector<std::string> again;
    std::vector<std::string> known;
    std::size_t left_out = 0;
    bool outdated = false;
    friend bool operator==(const Next&, const Next&) = default;
  };
  std::optional<Next> next() {
    const LookedAt looked_at = LookedAt::now(&store_);
    const auto outline = Outline::find(store_, key());
    FileHashes hashes(&store_.database());
    auto part = outline ? outline->look_again(store_, hashes) : std::nullopt;
    if (!part) {
      return std::nullopt;
    }
    part->snapshot.tools = tools_;
    Next next;
    for (const Step& step : part->spec.steps) {
      (part->known.steps.contains(step.name) ? next.known : next.again).push_back(step.name);
    }
    next.left_out = part->known.left_out;
    next.outdated = part->outdated;
    Plan plan(part->spec, part->snapshot, {}, part->known);
    Names every_step;
    for_each_step(plan, outline,
                  [&](const std::string& name, const PlannedStep&) { every_step.push_back(name); });
    EXPECT_EQ(every_step.size(), 5U);
    finish(plan);
    if (part->outdated) {
      write_outline(store_, key(), stamp_of(key().file).value(), part->spec, plan, part->snapshot,
                    part->watched, looked_at, {}, &*outline);
    }
    let_settle();
    return next;
  }

  static Next nothing() { return {{}, {}, 5, false}; }

  TemporaryDirectory folder_;
  std::vector<std::string> set_;
  Tools tools_{"x86_64", "trainer", "1", 2};
  Store store_ = Store::open(folder_.path() / "store");
};

TEST_F(OutlineTest, WhatDidNotChangeIsLeftOut) {
  EXPECT_FALSE(next());
  run();
  // The store's folders were written to just now, so the bytes are looked for once more.
  EXPECT_EQ(next(), (Next{{}, {}, 5, true}));
  EXPECT_EQ(next(), nothing());
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, AChangedFileBringsItsStepAndWhatFollows) {
  run();
  next();
  write("c.txt", "22");
  const auto part = next();
  EXPECT_EQ(part->again, (Names{"c", "d"}));
  EXPECT_EQ(part->known, Names{"a"});
  EXPECT_EQ(part->left_out, 2U);
  next();
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, AFileThatWasWrittenWithTheSameBytesChangesNothing) {
  run();
  next();
  write("c.txt", "1");
  let_settle();
  EXPECT_EQ(next(), (Next{{}, {}, 5, true}));
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, AFileThatJoinsOrLeavesAGlobIsNoticed) {
  run();
  next();
  write("data/note.txt", "no match");
  EXPECT_EQ(next()->again, Names{});
  write("data/y.csv", "1");
  EXPECT_EQ(next()->again, Names{"b"});
  fs::rename(project() / "data/y.csv", project() / "data/z.csv");
  EXPECT_EQ(next()->again, Names{"b"});
  fs::remove(project() / "data/z.csv");
  EXPECT_EQ(next()->again, Names{"b"});
  next();
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, AnExecutableBitIsNoticed) {
  run();
  next();
  fs::permissions(project() / "a.txt", fs::perms::owner_exec, fs::perm_options::add);
  EXPECT_EQ(next()->again, (Names{"a", "c", "d"}));
}

TEST_F(OutlineTest, AFileWrittenWithinATickIsHashedAgain) {
  write("a.txt", "2");
  run();
  EXPECT_TRUE(next()->outdated);
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, WhatIsGoneIsLeftToTheWholeFile) {
  run();
  fs::remove(project() / "a.txt");
  EXPECT_FALSE(next());
}

TEST_F(OutlineTest, AnotherFileFlagsOrToolsMeanAnotherPlan) {
  run();
  next();
  tools_.default_threads = 3;
  EXPECT_FALSE(next());
  tools_.default_threads = 2;
  set_ = {"lr=2"};
  EXPECT_FALSE(next());
  set_ = {};
  EXPECT_EQ(next(), nothing());
  write("pipeline.yaml", std::string(pipeline) + "\n");
  EXPECT_FALSE(next());
}

TEST_F(OutlineTest, ANewResultOfAKeyIsNoticed) {
  run();
  next();
  const Spec spec = load_spec(key().file);
  FileHashes hashes(nullptr);
  Snapshot snapshot = take_snapshot(spec, {}, hashes, store_);
  snapshot.tools = tools_;
  add_result(*Plan(spec, snapshot).find("a"), "another");
  EXPECT_EQ(next()->again, (Names{"a", "c", "d"}));
  next();
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, BytesThatWereTakenOutOfTheStoreAreNoticed) {
  run();
  next();
  fs::remove(store_.blobs().path_of_blob(digest_of("e")));
  EXPECT_EQ(next()->again, Names{"e"});
}

TEST_F(OutlineTest, AFailedStepIsPlannedAgain) {
  run("c");
  EXPECT_EQ(next()->again, (Names{"c", "d"}));
  next();
  EXPECT_EQ(next(), nothing());
}

TEST_F(OutlineTest, DamageMeansThatTheWholeFileIsRead) {
  run();
  next();
  const std::string whole = read_file(outline_file());
  for (std::size_t i = 0; i < whole.size(); i += 7) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    std::ofstream(outline_file(), std::ios::binary) << damaged;
    FileHashes hashes(nullptr);
    const auto outline = Outline::find(store_, key());
    const auto part = outline ? outline->look_again(store_, hashes) : std::nullopt;
    EXPECT_TRUE(!part || part->spec.steps.empty()) << i;
  }
  for (std::size_t size = 0; size < whole.size(); size += 13) {
    std::ofstream(outline_file(), std::ios::binary) << whole.substr(0, size);
    FileHashes hashes(nullptr);
    const auto outline = Outline::find(store_, key());
    const auto part = outline ? outline->look_again(store_, hashes) : std::nullopt;
    EXPECT_TRUE(!part || part->spec.steps.empty()) << size;
  }
}

}  // namespace
}  // namespace mlpipe
