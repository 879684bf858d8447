#include "pipeline/store/store.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  fs::path directory() const { return folder_.path() / "store"; }

  Result result_in(Store& store, const std::string& bytes) const {
    const fs::path file = folder_.path() / "out";
    fs::remove(file);  // after it was taken it is the store's
    std::ofstream(file) << bytes;
    Result result;
    result.action_key = digest_of("key");
    result.succeeded = true;
    result.outputs.push_back(store.blobs().take("out", file));
    result.metrics = {{"accuracy", 0.1 + 0.2}};
    result.log = store.blobs().add("log text");
    result.started = from_milliseconds(1'700'000'000'123);
    result.finished = from_milliseconds(1'700'000'001'456);
    return result;
  }

  TemporaryDirectory folder_;
};

TEST_F(StoreTest, KeepsResultsAcrossOpenings) {
  Store store = Store::open(directory());
  const Result written = result_in(store, "bytes");
  const std::int64_t id = store.add_result(written);
  const Store again = Store::open(directory());
  const std::vector<Result> read = again.results(digest_of("key"));
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].id, id);
  EXPECT_EQ(read[0].outputs, written.outputs);
  EXPECT_EQ(read[0].metrics, written.metrics);
  EXPECT_EQ(read[0].started, written.started);
  EXPECT_EQ(read[0].log, written.log);
  EXPECT_TRUE(again.results(digest_of("another key")).empty());
}

TEST_F(StoreTest, AResultWithoutItsBytesDoesNotCount) {
  Store store = Store::open(directory());
  const Result result = result_in(store, "bytes");
  store.add_result(result);
  fs::remove(store.blobs().path_of(result.outputs.front()));
  EXPECT_TRUE(store.results(digest_of("key")).empty());
}

TEST_F(StoreTest, WritesARealizationOnlyWhenItIsNews) {
  Store store = Store::open(directory());
  Recipe recipe;
  recipe.add("script", "0000", "echo");
  for (int i = 0; i < 3; ++i) {
    store.add_realization("p", "s", digest_of("d"), recipe, {{"lr", "1"}});
  }
  Statement count = store.database().prepare("SELECT count(*) FROM realizations");
  count.step();
  EXPECT_EQ(count.integer(0), 1);
  const auto last = store.last_realization("p", "s");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->action, recipe);
  EXPECT_EQ(last->params.at("lr"), "1");
  EXPECT_FALSE(store.last_realization("p", "t"));
}

TEST_F(StoreTest, RefusesWhatIsNoStoreAndChangesNothing) {
  fs::create_directories(directory());
  std::ofstream(directory() / "letter.txt") << "dear";
  EXPECT_THROW(Store::open(directory()), UsageError);
  EXPECT_THROW(Store::open_existing(directory()), UsageError);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(directory())) {
    ++entries;
  }
  EXPECT_EQ(entries, 1U);
}

TEST_F(StoreTest, RefusesANewerFormat) {
  { Store::open(directory()); }
  write_file_atomically(directory() / "format", "mlpipe-store 2\n");
  EXPECT_THROW(Store::open(directory()), UsageError);
}

TEST_F(StoreTest, ThereIsNoneBeforeItIsMade) {
  EXPECT_FALSE(Store::open_existing(directory()));
  EXPECT_FALSE(fs::exists(directory()));
}

TEST_F(StoreTest, OneThatIsBeingMadeIsNotThereYet) {
  fs::create_directories(directory() / "blobs");
  std::ofstream(directory() / ".making");
  EXPECT_FALSE(Store::open_existing(directory()));
  Store::open(directory());
  EXPECT_TRUE(Store::open_existing(directory()));
}

TEST_F(StoreTest, ATransactionWithinAnotherIsAPartOfIt) {
  Store store = Store::open(directory());
  {
    const Transaction whole(store.database());
    store.add_result(result_in(store, "bytes"));
  }
  EXPECT_TRUE(store.results(digest_of("key")).empty());
  Transaction whole(store.database());
  store.add_result(result_in(store, "bytes"));
  { const Transaction given_up(store.database()); }
  EXPECT_THROW(whole.commit(), Error);
}

TEST_F(StoreTest, OneOpenedToBeReadIsNotWritten) {
  { Store::open(directory()); }
  const auto store = Store::open_to_read(directory());
  ASSERT_TRUE(store);
  EXPECT_THROW(store->database().execute("DELETE FROM results"), Error);
}

TEST_F(StoreTest, ATransactionIsAllOrNothing) {
  const Store store = Store::open(directory());
  {
    const Transaction transaction(store.database());
    store.database().execute("INSERT INTO actions VALUES(x'00', 'r')");
  }
  Statement count = store.database().prepare("SELECT count(*) FROM actions");
  count.step();
  EXPECT_EQ(count.integer(0), 0);
}

}  // namespace
}  // namespace mlpipe
