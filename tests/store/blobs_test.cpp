#include "pipeline/store/blobs.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class BlobsTest : public testing::Test {
 protected:
  BlobsTest() : blobs_(folder_.path() / "store") { blobs_.create(); }

  fs::path write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    const fs::path path = folder_.path() / "work" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

  static mode_t mode_of(const fs::path& path) {
    struct stat status {};
    ::stat(path.c_str(), &status);
    return status.st_mode & 0777;
  }

  TemporaryDirectory folder_;
  Blobs blobs_;
};

TEST_F(BlobsTest, AFileIsNamedByItsBytesAndReadOnly) {
  const Output output = blobs_.take("a.txt", write("a.txt", "hello"));
  EXPECT_EQ(output.digest, digest_of("hello"));
  EXPECT_EQ(output.bytes, 5U);
  EXPECT_FALSE(output.folder);
  EXPECT_EQ(read_file(blobs_.path_of(output)), "hello");
  EXPECT_EQ(mode_of(blobs_.path_of(output)), 0444U);
  EXPECT_EQ(blobs_.take("a.txt", folder_.path() / "work" / "a.txt"), output) << "it can be taken again";
}

TEST_F(BlobsTest, ATreeIsNamedByNamesBytesAndExecutableBits) {
  write("t/one.txt", "1");
  write("t/sub/run.sh", "2", 0755);
  fs::create_directories(folder_.path() / "work" / "t" / "empty");
  const Output output = blobs_.take("t", folder_.path() / "work" / "t");
  EXPECT_TRUE(output.folder);
  EXPECT_EQ(output.bytes, 2U);
  const std::vector<TreeEntry> entries = blobs_.entries_of(output.digest);
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0], (TreeEntry{"empty", true, false, {}, 0}));
  EXPECT_EQ(entries[1], (TreeEntry{"one.txt", false, false, digest_of("1"), 1}));
  EXPECT_EQ(entries[2], (TreeEntry{"sub/run.sh", false, true, digest_of("2"), 1}));
  EXPECT_EQ(mode_of(blobs_.path_of(output) / "sub" / "run.sh"), 0555U);
  EXPECT_EQ(mode_of(blobs_.path_of(output) / "one.txt"), 0444U);
  EXPECT_EQ(mode_of(blobs_.path_of(output)), 0555U);
  EXPECT_EQ(blobs_.take("t", folder_.path() / "work" / "t"), output) << "it can be taken again";

  write("u/one.txt", "1");
  write("u/sub/run.sh", "2", 0644);
  fs::create_directories(folder_.path() / "work" / "u" / "empty");
  EXPECT_NE(blobs_.take("u", folder_.path() / "work" / "u").digest, output.digest);
}

TEST_F(BlobsTest, EqualBytesAreKeptOnce) {
  write("t/a", "same");
  write("t/b", "same");
  const Output output = blobs_.take("t", folder_.path() / "work" / "t");
  struct stat a {};
  struct stat b {};
  ::stat((blobs_.path_of(output) / "a").c_str(), &a);
  ::stat((blobs_.path_of(output) / "b").c_str(), &b);
  EXPECT_EQ(a.st_ino, b.st_ino);
  // The same tree again is no new tree.
  write("u/a", "same");
  write("u/b", "same");
  EXPECT_EQ(blobs_.take("u", folder_.path() / "work" / "u").digest, output.digest);
}

TEST_F(BlobsTest, TakesNoLinks) {
  write("t/a", "x");
  fs::create_symlink("/etc/passwd", folder_.path() / "work" / "t" / "link");
  EXPECT_THROW(blobs_.take("t", folder_.path() / "work" / "t"), Error);
  fs::create_symlink("/etc/passwd", folder_.path() / "work" / "link");
  EXPECT_THROW(blobs_.take("link", folder_.path() / "work" / "link"), Error);
}

TEST_F(BlobsTest, CopiesOutWhatWentIn) {
  write("t/one.txt", "1");
  write("t/sub/run.sh", "2", 0755);
  const Output output = blobs_.take("t", folder_.path() / "work" / "t");
  blobs_.copy_to(output, folder_.path() / "copy");
  EXPECT_EQ(read_file(folder_.path() / "copy" / "one.txt"), "1");
  EXPECT_EQ(mode_of(folder_.path() / "copy" / "sub" / "run.sh"), 0755U);
  EXPECT_THROW(blobs_.copy_to(output, folder_.path() / "copy"), UsageError);
}

}  // namespace
}  // namespace mlpipe
