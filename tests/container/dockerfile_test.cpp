#include "pipeline/container/dockerfile.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

std::string bases(std::string_view dockerfile, const DockerfileUse& use = {}) {
  return join(base_images(dockerfile, use), " ");
}

TEST(Dockerfile, IsReadInstructionByInstruction) {
  const auto found = instructions_of(
      "# escape=\\\n"
      "from a\n"
      "\n"
      "RUN one && \\\n"
      "  # in between\n"
      "\n"
      "  two\n"
      "COPY <<EOF <<-'END' /\n"
      "FROM not-this\n"
      "EOF\n"
      "FROM nor-this\n"
      "\tEND\n"
      "LABEL x=y\n");
  EXPECT_EQ(found, (std::vector<Instruction>{{2, "FROM", "a"},
                                             {4, "RUN", "one && two"},
                                             {8, "COPY", "<<EOF <<-'END' /"},
                                             {13, "LABEL", "x=y"}}));
  EXPECT_EQ(instructions_of("# escape=`\nRUN a `\n b\\\nFROM x\n"),
            (std::vector<Instruction>{{2, "RUN", "a b\\"}, {4, "FROM", "x"}}));
}

TEST(Dockerfile, BasesAreWhatComesFromOutside) {
  EXPECT_EQ(bases("FROM debian:12\n"), "debian:12");
  EXPECT_EQ(bases("FROM --platform=$BUILDPLATFORM golang AS Build\nFROM scratch\nCOPY --from=build /a /\n"
                  "COPY --chown=1 --from=busybox:1 /b /\nCOPY --from=0 /c /\n"
                  "RUN --mount=type=bind,from=tools,target=/t --mount=type=cache,target=/c make\n"),
            "golang busybox:1 tools");
  EXPECT_EQ(bases("FROM a\nFROM a\n"), "a");
  EXPECT_EQ(bases("FROM scratch\n"), "");
}

TEST(Dockerfile, OnlyTheStagesThatTheTargetNeedsCount) {
  const char* text =
      "ARG DEVICE=cpu\n"
      "FROM debian AS base-cpu\n"
      "FROM nvidia/cuda AS base-cuda\n"
      "FROM base-${DEVICE} AS build\n"
      "FROM alpine AS tools\n"
      "FROM scratch AS last\n"
      "COPY --from=build / /\n";
  EXPECT_EQ(bases(text), "debian");
  EXPECT_EQ(bases(text, {"", {{"DEVICE", "cuda"}}, ""}), "nvidia/cuda");
  EXPECT_EQ(bases(text, {"TOOLS", {}, ""}), "alpine");
  EXPECT_EQ(bases(text, {"1", {}, ""}), "nvidia/cuda");
  try {
    bases(text, {"tool", {}, ""});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), std::string("the Dockerfile has no stage 'tool'"));
    EXPECT_EQ(error.hint(), "did you mean 'tools'?");
  }
  EXPECT_THROW(bases("RUN x\n"), Error);
}

TEST(Dockerfile, ArgumentsAreReplacedAsDockerDoesIt) {
  const DockerfileUse use{"", {{"TAG", "12"}, {"EMPTY", ""}, {"UNDECLARED", "x"}}, "linux/arm64"};
  EXPECT_EQ(bases("ARG TAG=11\nFROM debian:$TAG\n"), "debian:11");
  EXPECT_EQ(bases("ARG TAG=11\nFROM debian:$TAG\n", use), "debian:12");
  EXPECT_EQ(bases("ARG TAG\nFROM debian:${TAG:-9}-slim\n"), "debian:9-slim");
  EXPECT_EQ(bases("ARG EMPTY=x\nFROM a${EMPTY:-b}${EMPTY-c}${TAG:+d}\n", use), "ab");
  EXPECT_EQ(bases("ARG TAG\nFROM a${TAG:+-${TAG}}\n", use), "a-12");
  EXPECT_EQ(bases("ARG A=\"x\" B=${A}y\nFROM $B\n"), "xy");
  EXPECT_EQ(bases("FROM a-$TARGETARCH-$TARGETOS\n", use), "a-arm64-linux");
  EXPECT_EQ(bases("FROM a$UNDECLARED\n", use), "a");
  EXPECT_EQ(bases("FROM a\nARG X=b\nCOPY --from=$X / /\n"), "a");  // only the builder knows
}

TEST(Dockerfile, MountsAreSeen) {
  EXPECT_TRUE(uses_mounts("FROM a\nrun --mount=type=cache,target=/c make\n"));
  EXPECT_FALSE(uses_mounts("FROM a\nRUN echo --mount\n"));
}

}  // namespace
}  // namespace mlpipe
