#include "pipeline/store/verify.hpp"

#include <sys/stat.h>

#include "tests/store/store_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class VerifyTest : public StoreFixture {
 protected:
  Verification run(bool quick = false, bool set_aside = true) { return verify(*store_, {quick, set_aside}); }
  std::string id(const Result& result, const std::string& step) const {
    return result_id(result).short_hex() + " (" + step + ")";
  }
};

TEST_F(VerifyTest, AWholeStoreIsWell) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"sub/run.sh", "x"}});
  add("d2", {{"d1", d1}}, "two");
  for (const bool quick : {true, false}) {
    const Verification verification = run(quick);
    EXPECT_TRUE(verification.faults.empty());
    EXPECT_TRUE(verification.unknown.empty());
    EXPECT_EQ(verification.blobs, 6U);
    EXPECT_EQ(verification.trees, 1U);
    EXPECT_EQ(verification.results, 2U);
    EXPECT_EQ(verification.bytes > 0, !quick);
  }
}

TEST_F(VerifyTest, AChangedByteIsNamedWithWhatNeedsItAndSetAside) {
  const Result d1 = add("d1", {}, {{"a", "one"}, {"b", "two"}});
  const Result d2 = add("d2", {{"d1", d1}}, "three");
  release("m", 1, d1.outputs[0]);
  move_alias("m", "prod", 1);
  overwrite(store_->blobs().path_of_blob(digest_of("one")), "o");  // the same byte: nothing changes
  EXPECT_TRUE(run().faults.empty());
  overwrite(store_->blobs().path_of_blob(digest_of("one")), "x");
  EXPECT_TRUE(run(true).faults.empty()) << "the size is right";

  const auto before = contents(directory());
  Verification verification = run(false, false);
  ASSERT_EQ(verification.faults.size(), 2U);
  EXPECT_EQ(verification.faults[0].path, "blobs/sha256/" + digest_of("one").hex());
  EXPECT_EQ(verification.faults[0].results, std::vector<std::string>{id(d1, "d1")});
  EXPECT_EQ(verification.faults[0].releases, std::vector<std::string>{"m:1 (the alias prod)"});
  EXPECT_EQ(verification.faults[1].path, "trees/" + d1.outputs[0].digest.hex());
  EXPECT_EQ(contents(directory()), before) << "it was only asked for a report";
  EXPECT_EQ(store_->results(d1.action_key).size(), 1U);

  verification = run();
  EXPECT_EQ(verification.faults.size(), 2U);
  EXPECT_TRUE(store_->results(d1.action_key).empty()) << "so the next run makes it again";
  EXPECT_EQ(store_->results(d2.action_key).size(), 1U) << "and nothing else";
  EXPECT_EQ(read_file(directory() / "quarantine" / "blobs" / digest_of("one").hex()), "xne");
  EXPECT_NE(read_file(directory() / "quarantine" / "results.jsonl").find(result_id(d1).hex()),
            std::string::npos);

  // What is left is well but for the release, whose files are gone until the step has run again.
  verification = run();
  ASSERT_EQ(verification.faults.size(), 1U);
  EXPECT_EQ(verification.faults[0].releases, std::vector<std::string>{"m:1 (the alias prod)"});
  add("d1", {}, {{"a", "one"}, {"b", "two"}});
  EXPECT_TRUE(run().faults.empty());
}

TEST_F(VerifyTest, AProgramInATreeHasBytesOfItsOwn) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"run.sh", "echo"}});
  const fs::path program = store_->blobs().path_of(d1.outputs[0]) / "run.sh";
  overwrite(program, "x");
  fs::permissions(program, fs::perms(0555));
  const Verification verification = run();
  ASSERT_EQ(verification.faults.size(), 1U);
  EXPECT_EQ(verification.faults[0].path, "trees/" + d1.outputs[0].digest.hex());
  EXPECT_EQ(verification.faults[0].problem.substr(0, 7), "run.sh:");
  EXPECT_EQ(verification.faults[0].results, std::vector<std::string>{id(d1, "d1")});
  EXPECT_TRUE(run().faults.empty());
}

TEST_F(VerifyTest, AFileThatIsMissingOrTooMany) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"b", "2"}});
  const Result d2 = add("d2", {}, {{"c", "3"}, {"d", "4"}});
  const Result d3 = add("d3", {}, "5");
  for (const Result& result : {d1, d2}) {
    fs::permissions(store_->blobs().path_of(result.outputs[0]), fs::perms(0755));
  }
  fs::remove(store_->blobs().path_of(d1.outputs[0]) / "a");
  std::ofstream(store_->blobs().path_of(d2.outputs[0]) / "letter") << "dear";
  fs::remove(store_->blobs().path_of(d3.outputs[0]));
  const Verification verification = run(true);
  ASSERT_EQ(verification.faults.size(), 3U);
  EXPECT_EQ(verification.faults[2].results, std::vector<std::string>{id(d3, "d3")});
  EXPECT_TRUE(store_->all_results().empty());
  EXPECT_TRUE(run().faults.empty());
}

TEST_F(VerifyTest, ADamagedListingTakesItsTreeAlong) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"b", "2"}});
  overwrite(store_->blobs().path_of_blob(d1.outputs[0].digest), "[");
  EXPECT_EQ(run().faults.size(), 2U);
  EXPECT_TRUE(run().faults.empty());
  EXPECT_TRUE(store_->results(d1.action_key).empty());
}

TEST_F(VerifyTest, WhatCanBeWrittenIsMadeReadOnlyAgain) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"run.sh", "2"}});
  const fs::path tree = store_->blobs().path_of(d1.outputs[0]);
  fs::permissions(tree / "a", fs::perms(0644));
  fs::permissions(tree / "run.sh", fs::perms(0755));
  EXPECT_EQ(run().faults.size(), 2U);
  EXPECT_TRUE(run().faults.empty());
  EXPECT_EQ(fs::status(tree / "a").permissions(), fs::perms(0444));
  EXPECT_EQ(fs::status(tree / "run.sh").permissions(), fs::perms(0555));
  EXPECT_EQ(store_->results(d1.action_key).size(), 1U);
}

TEST_F(VerifyTest, AnUnknownFileIsNamedAndLeftAlone) {
  for (const char* place : {"letter", "blobs/sha256/letter", "trees/letter", "locks/letter"}) {
    std::ofstream(directory() / place) << "dear";
  }
  const Verification verification = run();
  EXPECT_TRUE(verification.faults.empty());
  EXPECT_EQ(verification.unknown,
            (std::vector<std::string>{"blobs/sha256/letter", "letter", "locks/letter", "trees/letter"}));
  EXPECT_EQ(read_file(directory() / "letter"), "dear");
}

TEST_F(VerifyTest, ARecipeThatIsNotItsKeysAndAnAliasOfNothing) {
  const Result d1 = add("d1", {}, "one");
  store_->database().execute("UPDATE actions SET recipe = 'mlpipe-recipe 1' || char(10)");
  move_alias("m", "prod", 7);
  const Verification verification = run();
  ASSERT_EQ(verification.faults.size(), 2U);
  EXPECT_NE(verification.faults[0].problem.find(d1.action_key.hex()), std::string::npos);
  EXPECT_NE(verification.faults[1].problem.find("m@prod stands for version 7"), std::string::npos);
}

}  // namespace
}  // namespace mlpipe
