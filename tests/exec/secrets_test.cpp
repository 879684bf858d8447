#include "pipeline/exec/secrets.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

TEST(Secrets, ComeFromAVariableElseFromAFile) {
  const TemporaryDirectory folder;
  write_file_atomically(folder.path() / "TOKEN", "of the file\n");
  write_file_atomically(folder.path() / "TWO_LINES", "a\nb\n\n");
  Environment environment = {{"MLPIPE_SECRETS_DIR", folder.path().string()}};
  EXPECT_EQ(find_secret("TOKEN", environment), "of the file");
  EXPECT_EQ(find_secret("TWO_LINES", environment), "a\nb\n");
  EXPECT_EQ(find_secret("OTHER", environment), std::nullopt);
  environment["MLPIPE_SECRET_TOKEN"] = "of the variable";
  EXPECT_EQ(find_secret("TOKEN", environment), "of the variable");
  EXPECT_EQ(find_secret("TOKEN", {}), std::nullopt);
}

TEST(Secrets, AreMaskedTheLongestFirst) {
  Secrets secrets;
  secrets.add("A", "abc");
  secrets.add("B", "abcdef");
  secrets.add("EMPTY", "");
  EXPECT_EQ(secrets.masked("abcdef, abc and ab"), "***, *** and ab");
}

TEST(Secrets, AreMaskedInAFileWhereverTheyStand) {
  const TemporaryDirectory folder;
  const std::filesystem::path file = folder.path() / "log";
  constexpr std::size_t piece = std::size_t{1} << 20U;  // that is read at once
  const std::string secret = "0123456789";
  for (const std::size_t before : {std::size_t{0}, piece - 10, piece - 5, piece - 1, piece, 2 * piece - 3}) {
    const std::string filling(before, '.');
    write_file_atomically(file, filling + secret + "end" + secret);
    mask_file(file, {{"TOKEN", secret}});
    EXPECT_EQ(read_file(file), filling + "***end***") << before;
  }
  write_file_atomically(file, "as it is");
  mask_file(file, {});
  EXPECT_EQ(read_file(file), "as it is");
}

}  // namespace
}  // namespace mlpipe
