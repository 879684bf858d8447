#include "pipeline/oci/credentials.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pipeline/base/base64.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/oci/authorization.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class CredentialsTest : public testing::Test {
 protected:
  void config(const std::string& text) { write_file_atomically(folder_.path() / "config.json", text); }
  void helper(const std::string& name, const std::string& script) {
    const fs::path path = folder_.path() / ("docker-credential-" + name);
    write_file_atomically(path, "#!/bin/sh\n" + script, 0755);
  }
  Credentials find(const std::string& registry) {
    return find_credentials(registry, {{"DOCKER_CONFIG", folder_.path().string()},
                                       {"PATH", folder_.path().string() + ":/usr/bin:/bin"}});
  }
  std::string refusal(const std::string& registry) {
    try {
      find(registry);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  TemporaryDirectory folder_;
};

TEST_F(CredentialsTest, NoFileMeansNone) {
  EXPECT_FALSE(find("r.example").any());
}

TEST_F(CredentialsTest, ReadsWhatLoginWrote) {
  config(R"({"auths": {"r.example": {"auth": "bWU6cGFzczp3b3Jk"},
                       "https://index.docker.io/v1/": {"auth": "aHViOng="},
                       "old.example": {"username": "u", "password": "p"},
                       "token.example": {"auth": "", "identitytoken": "abc"}}})");
  EXPECT_EQ(find("r.example").login->user, "me");
  EXPECT_EQ(find("r.example").login->password, "pass:word");
  EXPECT_EQ(find("docker.io").login->user, "hub");
  EXPECT_EQ(find("old.example").login->password, "p");
  EXPECT_EQ(find("token.example").identity_token, "abc");
  EXPECT_FALSE(find("r.example:5000").any());
  EXPECT_FALSE(find("evil-r.example").any());
}

TEST_F(CredentialsTest, AsksTheHelperOfTheRegistryOnItsStandardInput) {
  helper("one",
         "[ \"$1\" = get ] && [ \"$#\" = 1 ] && read name && "
         "echo \"{\\\"Username\\\": \\\"of-$name\\\", \\\"Secret\\\": \\\"s\\\"}\"\n");
  helper("all", "read name; echo '{\"Username\": \"<token>\", \"Secret\": \"t\"}'\n");
  config(R"({"credHelpers": {"r.example": "one"}, "credsStore": "all", "auths": {"other.example": {}}})");
  EXPECT_EQ(find("r.example").login->user, "of-r.example");
  EXPECT_EQ(find("other.example").identity_token, "t");
}

TEST_F(CredentialsTest, AHelperThatKnowsNothingIsNoError) {
  helper("none", "echo 'credentials not found in native keychain'; exit 1\n");
  config(R"({"credsStore": "none"})");
  EXPECT_FALSE(find("r.example").any());
}

TEST_F(CredentialsTest, SaysWhatIsWrongWithoutTheSecret) {
  helper("broken", "echo 'out of order' >&2; exit 3\n");
  helper("talks", "echo hunter2\n");
  config(
      R"({"credHelpers": {"a.example": "broken", "b.example": "talks", "c.example": "../x", "d.example": "missing"},
             "auths": {"e.example": {"auth": "aHVudGVyMg=="}}})");
  EXPECT_NE(refusal("a.example").find("docker-credential-broken failed: out of order"), std::string::npos);
  EXPECT_NE(refusal("b.example").find("something else than credentials"), std::string::npos);
  EXPECT_NE(refusal("c.example").find("no plain name"), std::string::npos);
  EXPECT_NE(refusal("d.example").find("docker-credential-missing"), std::string::npos);
  EXPECT_NE(refusal("e.example").find("not base64 of USER:PASSWORD"), std::string::npos);
  for (const char* registry : {"b.example", "e.example"}) {
    EXPECT_EQ(refusal(registry).find("hunter2"), std::string::npos);
  }
  config("[1");
  EXPECT_NE(refusal("a.example").find("is no JSON object"), std::string::npos);
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(decode_base64("bWU6eA=="), "me:x");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("bWU6eA="), std::nullopt);
  EXPECT_EQ(decode_base64("bWU*eA=="), std::nullopt);
}

TEST(Challenges, AreReadAsServersWriteThem) {
  const auto challenges = parse_challenges(
      R"(Bearer realm="https://auth.example/token?x=1,2",service="r.example",scope="repository:a:pull,push", Basic realm=plain)");
  ASSERT_EQ(challenges.size(), 2U);
  EXPECT_EQ(challenges[0].scheme, "bearer");
  EXPECT_EQ(challenges[0].parameters.at("realm"), "https://auth.example/token?x=1,2");
  EXPECT_EQ(challenges[0].parameters.at("scope"), "repository:a:pull,push");
  EXPECT_EQ(challenges[1].scheme, "basic");
  EXPECT_EQ(challenges[1].parameters.at("realm"), "plain");
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("\"\"=,").empty());
  EXPECT_EQ(parse_challenges("Bearer realm=\"unclosed").size(), 1U);
}

}  // namespace
}  // namespace mlpipe
