#include "pipeline/base/time.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

const auto now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 8h + 39min + 35s;

std::string moment(const std::string& text) {
  const auto found = parse_moment(text, now);
  return found ? format_time(*found) : "none";
}

TEST(Time, AMomentIsADateWithAZone) {
  EXPECT_EQ(moment("2026-11-20T07:00:01Z"), "2026-11-20T07:00:01Z");
  EXPECT_EQ(moment("2026-11-20 07:00Z"), "2026-11-20T07:00:00Z");
  EXPECT_EQ(moment("2026-11-20 07:00:00 +01:00"), "2026-11-20T06:00:00Z");
  EXPECT_EQ(moment("2026-11-20 07:00 -0530"), "2026-11-20T12:30:00Z");
  EXPECT_EQ(moment("2026-11-20Z"), "2026-11-20T00:00:00Z");
}

TEST(Time, WithoutAZoneItIsLocalTime) {
  const auto local = parse_moment("2026-11-20 07:00", now);
  ASSERT_TRUE(local);
  EXPECT_TRUE(format_local_time(*local).starts_with("2026-11-20 07:00:00 "));
  const auto day = parse_moment("2026-11-20", now);
  ASSERT_TRUE(day);
  EXPECT_TRUE(format_local_time(*day).starts_with("2026-11-20 00:00:00 "));
}

TEST(Time, WhatALocalTimeIsShownAsIsReadBack) {
  EXPECT_EQ(parse_moment(format_local_time(now), now),
            std::optional(std::chrono::system_clock::time_point(now)));
}

TEST(Time, AMomentIsHowLongAgo) {
  EXPECT_EQ(moment("now"), "2026-11-21T08:39:35Z");
  EXPECT_EQ(moment("2h"), "2026-11-21T06:39:35Z");
  EXPECT_EQ(moment("2 hours ago"), "2026-11-21T06:39:35Z");
  EXPECT_EQ(moment("1h30m ago"), "2026-11-21T07:09:35Z");
  EXPECT_EQ(moment("1 day ago"), "2026-11-20T08:39:35Z");
  EXPECT_EQ(moment("2 weeks"), "2026-11-07T08:39:35Z");
}

TEST(Time, AndNothingElse) {
  for (const char* text : {"", "yesterday", "2026-13-01", "2026-02-30", "2026-11-20 25:00", "2026-11-20 7",
                           "2026-11", "2026-11-20 07:00 +1", "2 parsecs ago", "h", "-2h",
                           "99999999999999999 weeks", "2026-11-20 07:00:00 CET"}) {
    EXPECT_EQ(moment(text), "none") << text;
  }
}

}  // namespace
}  // namespace mlpipe
