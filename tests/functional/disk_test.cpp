// A store on a disk that is full or cannot be written, or of a newer version: mlpipe says so, changes nothing
// that was there, and what was recorded can be read.
#include <sys/mount.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "tests/functional/store_check.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// A store on a small disk of its own; not there where this process may not mount one.
class SmallDisk : public Project {
 public:
  SmallDisk() : Project("small") {
    pipeline(
        "name: small\nparams: { n: 1 }\nsteps: { a: { run: \"echo text ${{ params.n }}; echo "
        "${{ params.n }} > out\", outs: [out] } }\n");
    fs::create_directories(disk());
    mounted_ = ::mount("mlpipe-test", disk().c_str(), "tmpfs", 0, "size=2m") == 0;
    reason_ = std::strerror(errno);
    environment["MLPIPE_STORE"] = (disk() / "store").string();
  }
  ~SmallDisk() {
    environment.erase("MLPIPE_STORE");
    if (mounted_) {
      ::umount2(disk().c_str(), MNT_DETACH);
    }
  }

  bool is_there() const { return mounted_; }
  const std::string& reason() const { return reason_; }
  fs::path disk() const { return elsewhere() / "disk"; }

  void make_read_only() const {
    ASSERT_EQ(::mount("", disk().c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0) << std::strerror(errno);
  }
  void make_writable() const {
    ASSERT_EQ(::mount("", disk().c_str(), "", MS_REMOUNT, nullptr), 0) << std::strerror(errno);
  }
  void fill() const {
    std::ofstream file(disk() / "filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void make_room() const { fs::remove(disk() / "filler"); }

  void expect_readable() const {
    EXPECT_TRUE(has(mlpipe({"plan"}).output, "nothing changed"));
    EXPECT_TRUE(has(mlpipe({"logs", "a"}).output, "text 1"));
    EXPECT_TRUE(exits(mlpipe({"models", "ls"}), 0));
    EXPECT_TRUE(exits(mlpipe({"status"}), 0));
    EXPECT_TRUE(exits(mlpipe({"run", "--dry-run"}), 0));
  }

 private:
  bool mounted_ = false;
  std::string reason_;
};

TEST(Disk, AFullOneIsSaidAndWhatWasRecordedStays) {
  SmallDisk project;
  if (!project.is_there()) {
    GTEST_SKIP() << "this process may not mount a small disk: " << project.reason();
  }
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  project.wait_for_removals();
  project.fill();
  const std::vector<std::string> before = store_listing(project);
  project.expect_readable();
  EXPECT_EQ(store_listing(project), before);
  const Captured full = project.mlpipe({"run", "--set", "n=2"});
  EXPECT_TRUE(exits(full, 1));
  EXPECT_TRUE(has(full.error, "free some space"));
  EXPECT_TRUE(has(full.error, project.store().string()));
  EXPECT_TRUE(store_faults(project).empty());
  project.expect_readable();
  project.make_room();
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  EXPECT_TRUE(exits(project.mlpipe({"run", "--set", "n=2"}), 0));
}

TEST(Disk, OneThatCannotBeWrittenIsSaidAndCanBeRead) {
  SmallDisk project;
  if (!project.is_there()) {
    GTEST_SKIP() << "this process may not mount a small disk: " << project.reason();
  }
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  project.wait_for_removals();
  project.make_read_only();
  project.expect_readable();
  for (const char* n : {"1", "2"}) {
    const Captured run = project.mlpipe({"run", "--set", std::string("n=") + n});
    EXPECT_TRUE(exits(run, 1));
    EXPECT_TRUE(has(run.error, project.store().string() + ": Read-only file system"));
    EXPECT_TRUE(has(run.error, "set MLPIPE_STORE to a folder that can be written"));
  }
  project.make_writable();
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
}

TEST(Disk, AStoreOfANewerVersionIsLeftAlone) {
  Project project;
  project.pipeline("name: newer\nsteps: { a: { run: echo 1 > out, outs: [out] } }\n");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  project.wait_for_removals();
  write_file_atomically(project.store() / "format", "mlpipe-store 2\n");
  const std::vector<std::string> before = store_listing(project);
  for (const char* command : {"run", "plan", "status"}) {
    const Captured captured = project.mlpipe({command});
    EXPECT_TRUE(exits(captured, 2)) << command;
    EXPECT_TRUE(has(captured.error, "was written by another version of mlpipe"));
  }
  EXPECT_EQ(store_listing(project), before);
  write_file_atomically(project.store() / "format", "mlpipe-store 1\n");  // for the clearing up
}

TEST(Disk, APlanWritesNothingAtAll) {
  Project project;
  project.write("data.txt", "1");
  project.pipeline("name: dry\nsteps: { a: { run: cp data.txt out, deps: [data.txt], outs: [out] } }\n");
  const std::vector<std::string> nothing = project.listing();
  EXPECT_TRUE(exits(project.mlpipe({"plan"}), 0));
  EXPECT_TRUE(exits(project.mlpipe({"run", "--dry-run"}), 0));
  EXPECT_EQ(project.listing(), nothing);
  EXPECT_FALSE(fs::exists(project.store()));

  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  project.wait_for_removals();
  project.write("data.txt", "2");
  const std::vector<std::string> before = store_listing(project);
  EXPECT_EQ(state_of(project.json({"plan", "--json"}), "a"), "run");
  EXPECT_TRUE(exits(project.mlpipe({"run", "--dry-run"}), 0));
  EXPECT_TRUE(exits(project.mlpipe({"logs", "a"}), 0));
  EXPECT_EQ(store_listing(project), before);
}

// While another mlpipe writes, and after one was killed, whose log SQLite has yet to take in.
TEST(Disk, APlanSeesWhatOthersWroteAndWritesNothing) {
  Project project;
  project.pipeline(R"(name: others
steps:
  quick: { run: echo 1 > out, outs: [out] }
  slow:
    run: |
      touch @SIDE@/begun
      while [ ! -e @SIDE@/go ]; do sleep 0.02; done
    needs: quick
)");
  Background run = project.start({"run"});
  wait_until("quick is done", [&] { return run.error().find("✓ quick") != std::string::npos; });
  project.wait_for_side("begun");
  EXPECT_EQ(state_of(project.json({"plan", "--json"}), "quick"), "cached");
  run.signal(SIGKILL);
  run.wait();
  const std::vector<std::string> before = store_listing(project);
  EXPECT_EQ(state_of(project.json({"plan", "--json"}), "quick"), "cached");
  EXPECT_EQ(store_listing(project), before);
  project.touch_side("go");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
}

}  // namespace
}  // namespace mlpipe
