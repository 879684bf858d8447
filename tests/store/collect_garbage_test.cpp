#include "pipeline/store/collect_garbage.hpp"

#include "tests/store/store_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class GarbageTest : public StoreFixture {
 protected:
  Garbage find(const std::vector<Root>& roots) const {
    return find_garbage(*store_, roots, std::chrono::system_clock::now() - 1h);
  }
  Garbage collect(const std::vector<Root>& roots) {
    Garbage garbage = find(roots);
    {
      Trash trash(store_->trash_directory());
      take_away(*store_, garbage, StoreLock::alone(directory()), trash);
    }
    remove_abandoned_trash(store_->trash_directory());
    return garbage;
  }
  static Root root(const Result& result) { return {Root::Kind::pin, "test", {result.id}, {}, {}}; }
  std::size_t count(const char* folder) const {
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(directory() / folder)) {
      ++entries;
    }
    return entries;
  }
};

TEST_F(GarbageTest, TakesExactlyWhatNoRootReaches) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"run.sh", "x"}});
  const Result a = add("d2", {{"d1", d1}}, "two a");
  const Result b = add("d2", {{"d1", d1}}, "two b");
  const Result d3 = add("d3", {{"d2", b}}, {{"a", "1"}, {"c", "3"}});
  const Garbage garbage = collect({root(a)});
  EXPECT_EQ(garbage.results, (std::vector<std::int64_t>{b.id, d3.id}));
  EXPECT_EQ(store_->results(a.action_key).size(), 1U);
  EXPECT_EQ(store_->results(d1.action_key).size(), 1U);
  EXPECT_TRUE(store_->results(d3.action_key).empty());
  EXPECT_FALSE(store_->blobs().contains(b.outputs[0]));
  EXPECT_FALSE(store_->blobs().contains(d3.outputs[0]));
  EXPECT_EQ(read_file(store_->blobs().path_of(d1.outputs[0]) / "a"), "1") << "shared with what went";
  EXPECT_TRUE(find({root(a)}).results.empty());
  EXPECT_EQ(find({root(a)}).bytes, 0U);

  collect({});
  EXPECT_EQ(count("blobs/sha256"), 0U);
  EXPECT_EQ(count("trees"), 0U);
  EXPECT_TRUE(store_->all_results().empty());
}

TEST_F(GarbageTest, BytesThatAKilledOneLeftGoNextTime) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"b", "2"}});
  // Killed after the rows: the bytes are there, whole, and nobody knows of them.
  store_->database().execute("DELETE FROM results");
  // Killed before a name was given, while a job was prepared, while trash was emptied, while importing.
  std::ofstream(directory() / "blobs" / "sha256" / (digest_of("x").hex() + ".Ab12Cd")) << "half";
  fs::create_directories(directory() / "jobs" / digest_of("key").hex() / "work");
  fs::create_directories(directory() / "trash" / "abc" / "1");
  fs::create_directories(directory() / "incoming" / "mlpipe-abc");
  std::ofstream(directory() / "locks" / digest_of("key").hex());
  std::ofstream(directory() / "format.Ab12Cd") << "half";
  const Garbage garbage = collect({});
  EXPECT_EQ(garbage.trees.size(), 1U);
  EXPECT_EQ(garbage.leftovers.size(), 5U);
  for (const char* folder : {"blobs/sha256", "trees", "jobs", "trash", "incoming", "locks"}) {
    EXPECT_EQ(count(folder), 0U) << folder;
  }
  EXPECT_FALSE(fs::exists(directory() / "format.Ab12Cd"));
  EXPECT_TRUE(fs::exists(directory() / "format"));
}

TEST_F(GarbageTest, LeavesAloneWhatItDoesNotKnowAndWhatRuns) {
  const Digest running = digest_of("running");
  const Digest locked = digest_of("locked");
  fs::create_directories(store_->job_directory(running) / "work");
  fs::create_directories(store_->checkpoint_directory(running));
  const FileLock lock = FileLock::wait(store_->lock_path(locked));
  std::ofstream(directory() / "blobs" / "sha256" / "letter") << "dear";
  std::ofstream(directory() / "letter") << "dear";
  collect({{Root::Kind::job, "job", {}, {}, {running}}});
  EXPECT_TRUE(fs::exists(store_->job_directory(running) / "work"));
  EXPECT_TRUE(fs::exists(store_->lock_path(locked)));
  EXPECT_TRUE(fs::exists(directory() / "blobs" / "sha256" / "letter"));
  EXPECT_TRUE(fs::exists(directory() / "letter"));
}

TEST_F(GarbageTest, CheckpointsStayUntilTheyAreOld) {
  const Digest key = digest_of("killed");
  fs::create_directories(store_->checkpoint_directory(key));
  std::ofstream(store_->checkpoint_directory(key) / "epoch") << "3";
  collect({});
  EXPECT_TRUE(fs::exists(store_->checkpoint_directory(key) / "epoch"));
  for (const fs::path& path :
       {store_->checkpoint_directory(key) / "epoch", store_->checkpoint_directory(key)}) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - 2h);
  }
  collect({});
  EXPECT_FALSE(fs::exists(store_->checkpoint_directory(key)));
}

TEST_F(GarbageTest, AReleaseOutlivesItsFiles) {
  const Result model = add("train", {}, {{"model.yaml", "m"}, {"weights", "w"}});
  release("digits", 1, model.outputs[0]);
  const Root alias{Root::Kind::alias, "digits@prod", {}, {model.outputs[0]}, {}};
  EXPECT_TRUE(collect({alias}).releases.empty());
  EXPECT_EQ(collect({}).releases, std::vector<std::string>{"digits:1"});
  Statement rows = store_->database().prepare(
      "SELECT count(*) FROM releases JOIN collected_releases USING(model, version)");
  rows.step();
  EXPECT_EQ(rows.integer(0), 1);
}

TEST_F(GarbageTest, TheLockIsForManyOrForOne) {
  {
    const StoreLock one = StoreLock::shared(directory());
    const StoreLock other = StoreLock::shared(directory());
    EXPECT_FALSE(StoreLock::try_alone(directory()));
  }
  EXPECT_TRUE(StoreLock::try_alone(directory()));
}

}  // namespace
}  // namespace mlpipe
