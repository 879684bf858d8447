#include "pipeline/store/dependencies.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/base/file.hpp"
#include "pipeline/store/file_hashes.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> paths(const DependencyFiles& files) {
  std::vector<std::string> names;
  for (const DependencyFile& file : files) {
    names.push_back(file.path);
  }
  return names;
}

class DependenciesTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name) << text;
  }
  DependencyFiles find(const std::string& path) const {
    return find_dependency(folder_.path(), path).files;
  }
  TemporaryDirectory folder_;
};

TEST_F(DependenciesTest, AFileAFolderAGlob) {
  write("data/a.csv", "1");
  write("data/b.csv", "2");
  write("data/deep/c.csv", "3");
  write("data/note.txt", "4");
  EXPECT_EQ(paths(find("data/a.csv")), std::vector<std::string>{"data/a.csv"});
  EXPECT_EQ(paths(find("data")),
            (std::vector<std::string>{"data/a.csv", "data/b.csv", "data/deep/c.csv", "data/note.txt"}));
  EXPECT_EQ(paths(find("data/*.csv")), (std::vector<std::string>{"data/a.csv", "data/b.csv"}));
  EXPECT_EQ(paths(find("data/**/*.csv")),
            (std::vector<std::string>{"data/a.csv", "data/b.csv", "data/deep/c.csv"}));
  EXPECT_TRUE(find("data/none.csv").empty());
  EXPECT_TRUE(find("nowhere/*.csv").empty());
}

TEST_F(DependenciesTest, AStoreIsNoPartOfAFolder) {
  write("p/a", "1");
  write("p/.mlpipe/format", "x");
  EXPECT_EQ(paths(find("p")), std::vector<std::string>{"p/a"});
}

TEST_F(DependenciesTest, GlobsMatchWholePaths) {
  EXPECT_TRUE(matches_glob("**/*.csv", "a.csv"));
  EXPECT_TRUE(matches_glob("a/**", "a/b/c"));
  EXPECT_FALSE(matches_glob("*.csv", "a/b.csv"));
  EXPECT_FALSE(matches_glob("*", ".hidden"));
}

TEST(FileHashesTest, RemembersAndNoticesChanges) {
  const TemporaryDirectory folder;
  const Database database(folder.path() / "index", Database::Mode::read_write);
  database.execute(
      "CREATE TABLE file_hashes(path TEXT PRIMARY KEY, stamp TEXT, hashed_at INTEGER, digest BLOB)");
  const fs::path file = folder.path() / "f";
  std::ofstream(file) << "one";
  FileHashes hashes(&database);
  EXPECT_EQ(hashes.digest(file), digest_of("one"));
  hashes.save();
  // Rewritten within the same clock tick, with the same size: only the racy rule notices.
  std::ofstream(file) << "two";
  EXPECT_EQ(hashes.digest(file), digest_of("two"));

  // An old file with an entry is not read again: what the entry says is believed.
  database.execute("UPDATE file_hashes SET hashed_at = hashed_at + 1000000000");
  hashes.save();
  const Digest other = digest_of("other");
  database.execute("UPDATE file_hashes SET hashed_at = hashed_at + 1000000000");
  database.prepare("UPDATE file_hashes SET digest = ?").bind(other).run();
  EXPECT_EQ(FileHashes(&database).digest(file), other);
}

}  // namespace
}  // namespace mlpipe
