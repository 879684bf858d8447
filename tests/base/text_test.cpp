#include "pipeline/base/text.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

TEST(Text, SuggestsTheNearestName) {
  const std::vector<std::string> known = {"epochs", "optimizer", "network"};
  EXPECT_EQ(closest_name("epoch", known), "epochs");
  EXPECT_EQ(closest_name("optmizer", known), "optimizer");
  EXPECT_EQ(closest_name("zzz", known), std::nullopt);
}

TEST(Text, KeepsTheLastLines) {
  EXPECT_EQ(last_lines("a\nb\nc\n", 2), "b\nc");
  EXPECT_EQ(last_lines("a", 5), "a");
  EXPECT_EQ(last_lines("", 5), "");
}

TEST(Text, FormatsDurations) {
  using std::chrono::milliseconds;
  EXPECT_EQ(format_duration(milliseconds(340)), "340 ms");
  EXPECT_EQ(format_duration(milliseconds(4200)), "4.2 s");
  EXPECT_EQ(format_duration(milliseconds(200'000)), "3 min 20 s");
}

TEST(Text, KnowsUtf8) {
  EXPECT_TRUE(is_utf8("plain, ä, €, 😀"));
  for (const std::string wrong :
       {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(is_utf8(wrong)) << wrong.size();
  }
}

TEST(Text, ShowsNothingThatMovesTheCursor) {
  EXPECT_EQ(printable("a\x1b[2Jb\rc\td\n"), "a?[2Jb?c\td\n");
}

}  // namespace
}  // namespace mlpipe
