#include "pipeline/container/ignore_rules.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// Whether a whole path is left out, judged folder by folder as a walk does.
bool is_left_out(const IgnoreRules& rules, const std::string& path) {
  IgnoreRules::Verdict verdict;
  std::string so_far;
  for (const std::string& part : split(path, '/')) {
    so_far += (so_far.empty() ? "" : "/") + part;
    verdict = rules.judge(so_far, verdict);
  }
  return verdict.left_out;
}

std::vector<std::string> words_of(const std::string& text) {
  return text.empty() ? std::vector<std::string>{} : split(text, ' ');
}

struct Case {
  std::string rules;
  std::string left_out;
  std::string sent;
};

class Rules : public testing::TestWithParam<Case> {};

TEST_P(Rules, FollowDocker) {
  const IgnoreRules rules = IgnoreRules::parse(GetParam().rules);
  for (const std::string& path : words_of(GetParam().left_out)) {
    EXPECT_TRUE(is_left_out(rules, path)) << path;
  }
  for (const std::string& path : words_of(GetParam().sent)) {
    EXPECT_FALSE(is_left_out(rules, path)) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, Rules,
    testing::Values(Case{"", "", "a a/b .dockerignore"}, Case{"# a\n\n  b  \r\n #c\n", "b b/x #c", "a # c"},
                    Case{"\xef\xbb\xbf"
                         "a",
                         "a", "b"},
                    Case{"/a/\n./b//c", "a a/x b/c b/c/d", "x/a b b/d"}, Case{"*.md", "a.md", "x/a.md a.mdx"},
                    Case{"*/*.tmp", "a/b.tmp", "b.tmp a/b/c.tmp"},
                    Case{"**/*.o", "a.o x/a.o x/y/a.o .o", "a.ob"}, Case{"**", "a a/b .x", ""},
                    Case{"a/**", "a/b a/b/c", "a b"}, Case{"a/**/z", "a/z a/b/z a/b/c/z", "a/bz z"},
                    Case{"**/a", "a x/a x/y/a/b", "ba x/ba"}, Case{"a?c", "abc a.c", "ac abbc a/c"},
                    Case{"[a-c]x[^0-9]", "axy cx-", "dxy ax3"}, Case{"\\*a\n\\!b", "*a !b", "xa b"},
                    Case{"a+b(c)|$.", "a+b(c)|$.", "aab(c)"}, Case{"*\n!keep", "a b/c", "keep keep/x"},
                    Case{"docs\n!docs/README.md", "docs docs/a", "docs/README.md"}, Case{"!a\na", "a", ""},
                    Case{"*.md\n!README*.md\nREADME-secret.md", "a.md README-secret.md",
                         "README.md README-x.md"},
                    Case{"build\n!**/*.keep", "build/a build/x/a", "build/x/y.keep"},
                    Case{"../a\n.", "", "a b"}));

TEST(IgnoreRules, SayWhereALookBelowIsWorthwhile) {
  const IgnoreRules rules = IgnoreRules::parse("*\n!src/*.c\n!a/b/c\n");
  EXPECT_TRUE(rules.may_bring_back_below("src"));
  EXPECT_TRUE(rules.may_bring_back_below("a"));
  EXPECT_TRUE(rules.may_bring_back_below("a/b"));
  EXPECT_FALSE(rules.may_bring_back_below("b"));
  EXPECT_FALSE(rules.may_bring_back_below("src/deep"));
  EXPECT_TRUE(IgnoreRules::parse("x\n!**/keep").may_bring_back_below("x/y"));
  EXPECT_FALSE(IgnoreRules::parse("x").may_bring_back_below("x"));
}

TEST(IgnoreRules, APatternThatIsNoneIsRefusedWithItsLine) {
  for (const char* text : {"a\n!\n", "a\n[b\n", "a\n[]\n"}) {
    try {
      IgnoreRules::parse(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("line 2: '")) << error.what();
    }
  }
}

}  // namespace
}  // namespace mlpipe
