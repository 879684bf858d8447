#include "pipeline/base/called_program.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

std::string output_of_script(const std::string& script, const std::string& input = "") {
  return output_of_program({"/bin/sh", "-c", script}, input);
}

TEST(CalledProgram, ReturnsWhatItWroteAndPassesItsProgressOn) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(output_of_script("echo 'sh: half way' >&2; cat; echo 'sh: all' >&2", "input"), "input");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "half way\nall\n");
}

TEST(CalledProgram, WhatItSaysLastIsTheErrorAndWhatCanBeDone) {
  testing::internal::CaptureStderr();
  try {
    output_of_script("printf 'sh: trying\\nno such thing\\nlook elsewhere\\nor ask' >&2; exit 1");
    FAIL() << "nothing was thrown";
  } catch (const UsageError&) {
    FAIL() << "exit status 1 is no wrong use";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no such thing");
    EXPECT_EQ(error.hint(), "look elsewhere\nor ask");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "trying\n");
  EXPECT_THROW(output_of_script("echo no >&2; exit 2"), UsageError);
}

TEST(CalledProgram, OneThatSaysNothingIsNamed) {
  try {
    output_of_script("exit 3");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "sh: exit status 3");
  }
}

}  // namespace
}  // namespace mlpipe
