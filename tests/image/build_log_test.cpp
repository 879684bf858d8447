#include "pipeline/image/build_log.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Lines = std::vector<std::string>;

// What the builders of Docker 20.10 (its old one, and BuildKit by buildx 0.13) and podman 4.3 printed.
class Recorded : public testing::Test {
 protected:
  // Each line takes 100 ms.
  void read(const std::string& name) {
    const std::string text = read_file(std::filesystem::path(MLPIPE_RECORDED) / name);
    for (const std::string& line : split(text, '\n')) {
      time_ += BuildLog::Time(100);
      add(log_.read(line, time_));
    }
    add(log_.end(time_));
  }
  void add(const Lines& lines) { shown_.insert(shown_.end(), lines.begin(), lines.end()); }
  bool was_shown(const std::string& line) const {
    return std::find(shown_.begin(), shown_.end(), line) != shown_.end();
  }
  std::string steps() const { return fmt::format("{}/{}", log_.done(), log_.total()); }

  BuildLog log_;
  BuildLog::Time time_{0};
  Lines shown_;
};

const char* const failing = "RUN for i in 1 2 3; do echo line $i; done; echo oh no >&2; exit 3";

TEST_F(Recorded, TheOldBuilderIsReadStepByStep) {
  read("old.ok");
  EXPECT_EQ(steps(), "7/7");
  EXPECT_EQ(log_.instruction(), "COPY a /a");
  EXPECT_TRUE(was_shown("[3/7] RUN echo hello &&     sleep 0.2 && echo world >&2"));
  EXPECT_TRUE(was_shown("hello"));
  EXPECT_TRUE(was_shown("world")) << "its colours are gone";
  EXPECT_TRUE(was_shown("[3/7] 600 ms")) << join(shown_, "\n");
  EXPECT_FALSE(was_shown(" ---> 1def5d2db46c"));
}

TEST_F(Recorded, TheOldBuildersFailureHasInstructionAndLastLines) {
  read("old.fail");
  EXPECT_EQ(log_.failure(), (Lines{std::string("the build failed at [3/5] ") + failing, "    line 1",
                                   "    oh no", "    line 2", "    line 3", "exit status 3"}));
  EXPECT_EQ(log_.total(), 5U);
}

TEST_F(Recorded, BuildKitIsReadStepByStep) {
  read("buildkit.ok");
  EXPECT_EQ(steps(), "5/5");
  EXPECT_TRUE(was_shown("[build 2/3] RUN echo hello &&     sleep 0.2 && echo world >&2"));
  EXPECT_TRUE(was_shown("[build 2/3] | world"));
  EXPECT_TRUE(was_shown("[build 2/3] 300 ms")) << join(shown_, "\n");
  EXPECT_TRUE(was_shown("exporting to image"));
  EXPECT_FALSE(was_shown("[internal] load .dockerignore"));
}

TEST_F(Recorded, BuildKitsFailureHasInstructionAndLastLines) {
  read("buildkit.fail");
  EXPECT_EQ(log_.failure(), (Lines{std::string("the build failed at [build 3/3] ") + failing, "    line 1",
                                   "    line 2", "    line 3", "    oh no", "exit status 3"}));
  EXPECT_FALSE(was_shown("0.431 line 1")) << "what BuildKit repeats is not shown twice";
}

TEST_F(Recorded, BuildahIsReadStepByStep) {
  read("podman.ok");
  EXPECT_TRUE(was_shown("[stage 1 2/3] RUN echo hello &&     sleep 0.2 && echo world >&2"));
  EXPECT_TRUE(was_shown("hello"));
  EXPECT_EQ(steps(), "6/6");
}

TEST_F(Recorded, BuildahsFailureHasInstructionAndLastLines) {
  read("podman.fail");
  EXPECT_EQ(log_.failure(), (Lines{std::string("the build failed at [stage 1 3/3] ") + failing, "    line 1",
                                   "    line 2", "    line 3", "    oh no", "exit status 3"}));
}

TEST_F(Recorded, StepsWhoseResultWasThereAreCalledCached) {
  for (const auto& [name, label] : {std::pair{"old.cached", "[3/7]"},
                                    {"buildkit.cached", "[build 2/3]"},
                                    {"podman.cached", "[stage 1 2/3]"}}) {
    log_ = {};
    shown_.clear();
    read(name);
    EXPECT_TRUE(was_shown(std::string(label) + " cached")) << join(shown_, "\n");
  }
}

TEST(BuildLog, AFailureOutsideOfStepsIsInTheBuildersOwnWords) {
  BuildLog log;
  log.read("Error response from daemon: dockerfile parse error line 2: unknown instruction: RUNN", {});
  EXPECT_EQ(log.failure(),
            (Lines{"the build failed: Error response from daemon: dockerfile parse error line 2: "
                   "unknown instruction: RUNN"}));
}

TEST(BuildLog, OnlyTheLastTwentyLinesOfAStepAreRepeated) {
  BuildLog log;
  log.read("STEP 2/2: RUN make", {});
  for (int i = 1; i <= 30; ++i) {
    log.read(fmt::format("line {}", i), {});
  }
  log.read("Error: building at STEP \"RUN make\": while running runtime: exit status 2", {});
  const Lines failure = log.failure();
  ASSERT_EQ(failure.size(), 22U);
  EXPECT_EQ(failure[1], "    line 11");
  EXPECT_EQ(failure.back(), "exit status 2");
}

TEST(BuildLog, WhatIsWrittenOverIsShownAsItStoodLast) {
  BuildLog log;
  log.read("STEP 1/1: RUN get", {});
  EXPECT_EQ(log.read("10 %\r50 %\r\x1b[32m100 %\x1b[0m\r", {}), Lines{"100 %"});
}

}  // namespace
}  // namespace mlpipe
