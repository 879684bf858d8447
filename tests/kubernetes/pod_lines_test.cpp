#include "pipeline/kubernetes/pod_lines.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace mlpipe {
namespace {

// What a container printed, and streams of it as the API gives them.
class PodLinesTest : public testing::Test {
 protected:
  std::string log_;
  std::string progress_;
  PodLines lines_{{[this](std::string_view bytes) { log_ += bytes; },
                   [this](std::string_view line) { progress_ += std::string(line) + "|"; }}};
};

const std::string first = "2026-11-21T07:39:35.100000000Z ";
const std::string second = "2026-11-21T07:39:35.200000000Z ";
const std::string third = "2026-11-21T07:39:36.000000001Z ";

TEST_F(PodLinesTest, TakesStampsOffAndTellsProgressFromLog) {
  lines_.begin();
  lines_.take(first + "one two\n" + second + "\x1e{\"done\": 1}\n" + third + "\n" + third + "no end");
  EXPECT_EQ(log_, "one two\n\nno end");
  EXPECT_EQ(progress_, "{\"done\": 1}|");
  EXPECT_EQ(lines_.since(), "2026-11-21T07:39:36Z");
}

TEST_F(PodLinesTest, AskFromTheBeginningUntilSomethingWasHad) {
  EXPECT_EQ(lines_.since(), "");
  lines_.begin();
  lines_.take("2026-11-21T07:39:35.100000000+02:00 x\n");
  EXPECT_EQ(lines_.since(), "2026-11-21T07:39:35%2B02:00");
}

// Every way to cut one stream in two, the second of which comes with all of its second again.
TEST_F(PodLinesTest, LosesAndDoublesNothingWhereverItIsCut) {
  const std::string same = second;  // two lines of one moment
  const std::string whole = first + "one\n" + second + "two\n" + same + "three\n" + third +
                            "\x1e{\"done\": 7}\n" + third + "four\n" + third + "\x1e{\"done\": 8}\n";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::string log;
    std::string progress;
    PodLines lines({[&log](std::string_view bytes) { log += bytes; },
                    [&progress](std::string_view line) { progress += std::string(line) + "|"; }});
    lines.begin();
    lines.take(whole.substr(0, cut));
    const bool from_third = lines.since() == "2026-11-21T07:39:36Z";
    lines.begin();
    lines.take(from_third ? whole.substr(whole.find(third)) : whole);
    EXPECT_EQ(log, "one\ntwo\nthree\nfour\n") << cut;
    EXPECT_EQ(progress, "{\"done\": 7}|{\"done\": 8}|") << cut;
  }
}

TEST_F(PodLinesTest, TakesAnyPieces) {
  const std::string whole = first + "one\n" + second + "\x1e{\"done\": 7}\n" + third + "two";
  lines_.begin();
  for (const char byte : whole) {
    lines_.take(std::string(1, byte));
  }
  EXPECT_EQ(log_, "one\ntwo");
  EXPECT_EQ(progress_, "{\"done\": 7}|");
  lines_.begin();  // cut in a line that went on
  lines_.take(third + "two and more\n");
  EXPECT_EQ(log_, "one\ntwo and more\n");
}

}  // namespace
}  // namespace mlpipe
