#include "pipeline/oci/reference.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/oci/registry_client.hpp"

namespace mlpipe {
namespace {

const std::string hex(64, 'a');

TEST(Reference, ReadsWhatDockerReads) {
  const auto text = [](const std::string& reference) { return parse_reference(reference).text(); };
  EXPECT_EQ(text("debian"), "docker.io/library/debian");
  EXPECT_EQ(text("debian:12"), "docker.io/library/debian:12");
  EXPECT_EQ(text("team/digits:7"), "docker.io/team/digits:7");
  EXPECT_EQ(text("index.docker.io/team/digits"), "docker.io/team/digits");
  EXPECT_EQ(text("localhost/digits"), "localhost/digits");
  EXPECT_EQ(text("localhost:5000/digits"), "localhost:5000/digits");
  EXPECT_EQ(text("127.0.0.1:5000/a/b/c:v1"), "127.0.0.1:5000/a/b/c:v1");
  EXPECT_EQ(text("[::1]:5000/digits:7"), "[::1]:5000/digits:7");
  EXPECT_EQ(text("REGISTRY/digits"), "REGISTRY/digits");
  EXPECT_EQ(text("r.example/a__b.c-d---e/f_g:T.x-Y_z"), "r.example/a__b.c-d---e/f_g:T.x-Y_z");
  EXPECT_EQ(text("r.example/digits:7@sha256:" + hex), "r.example/digits:7@sha256:" + hex);
}

TEST(Reference, ARegistryIsAskedForTheDigestThenTheTag) {
  EXPECT_EQ(parse_reference("r.example/digits").target(), "latest");
  EXPECT_EQ(parse_reference("r.example/digits:7").target(), "7");
  EXPECT_EQ(parse_reference("r.example/digits:7@sha256:" + hex).target(), "sha256:" + hex);
}

TEST(Reference, RefusesWhatDockerRefuses) {
  for (const std::string& text : {std::string(),
                                  std::string("Digits"),
                                  std::string("r.example/Digits"),
                                  std::string("r.example/"),
                                  std::string("r.example//digits"),
                                  std::string("/digits"),
                                  std::string("r.example/../digits"),
                                  std::string("r.example/digits:"),
                                  std::string("r.example/digits:-x"),
                                  std::string("r.example/digits:.x"),
                                  std::string("r.example/digits:a/b"),
                                  "r.example/digits:" + std::string(129, 'a'),
                                  std::string("r.example/digits@sha256:12"),
                                  "r.example/digits@sha256:" + std::string(64, 'A'),
                                  "r.example/digits@md5:" + hex,
                                  std::string("r.example/a___b"),
                                  std::string("r.example/a..b"),
                                  std::string("r.example/-a"),
                                  std::string("r.example/a-"),
                                  std::string("r.example/a b"),
                                  std::string("r.example/a\nb"),
                                  std::string("-r.example/a"),
                                  std::string("r_.example.:x/a"),
                                  std::string("r.example:99x/a"),
                                  std::string("[::g]:5/a"),
                                  std::string("user@r.example/a"),
                                  std::string("https://r.example/a"),
                                  std::string("r.example/a?b"),
                                  std::string("r.example/a#b"),
                                  std::string("--help"),
                                  hex,
                                  "r.example/" + std::string(260, 'a')}) {
    EXPECT_THROW(parse_reference(text), UsageError) << text;
  }
}

TEST(Reference, PlainHttpIsForThisMachineOnly) {
  for (const char* registry : {"localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"}) {
    EXPECT_TRUE(is_loopback(registry)) << registry;
  }
  for (const char* registry : {"127.0.0.1.example", "127.example:80", "10.0.0.1:5000", "localhost.example",
                               "128.0.0.1", "[::2]:5000", "docker.io"}) {
    EXPECT_FALSE(is_loopback(registry)) << registry;
  }
}

}  // namespace
}  // namespace mlpipe
