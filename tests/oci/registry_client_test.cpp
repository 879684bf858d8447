#include "pipeline/oci/registry_client.hpp"

#include <gtest/gtest.h>
#include <httplib.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "tests/oci/fake_registry.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class RegistryClientTest : public testing::Test {
 protected:
  RegistryClient client(std::uint64_t chunk = 1U << 20U) {
    RegistryOptions options;
    options.chunk_bytes = chunk;
    options.patience.first_pause_ms = 1;
    options.patience.longest_pause_ms = 2000;
    options.patience.retries = 3;
    return RegistryClient(registry_.name(), {{"DOCKER_CONFIG", scratch_.path().string()}}, options);
  }
  void log_in(const std::string& auth) {
    write_file_atomically(scratch_.path() / "config.json",
                          fmt::format(R"({{"auths": {{"{}": {{"auth": "{}"}}}}}})", registry_.name(), auth));
  }
  fs::path file(const std::string& content) {
    const fs::path path = scratch_.path() / ("file" + std::to_string(++files_));
    write_file_atomically(path, content);
    return path;
  }
  template <typename Work>
  std::string refusal(Work work) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "it went well";
    return "";
  }

  TemporaryDirectory scratch_;
  FakeRegistry registry_;
  int files_ = 0;
};

bool answer_with(httplib::Response& response, int status) {
  response.status = status;
  return true;
}

TEST_F(RegistryClientTest, ABlobIsSentOnceAndInOnePiece) {
  RegistryClient to = client();
  const std::string content(5000, 'x');
  EXPECT_EQ(to.put_blob("team/a", digest_of(content), file(content)), Upload::sent);
  EXPECT_EQ(registry_.blobs.at(digest_text(digest_of(content))), content);
  EXPECT_EQ(registry_.count("PATCH"), 0U);
  EXPECT_EQ(to.put_blob("team/a", digest_of(content), file(content)), Upload::was_there);
  EXPECT_EQ(registry_.count("POST"), 1U);
}

TEST_F(RegistryClientTest, ALargeBlobIsSentInPieces) {
  const std::string content = std::string(2500, 'x') + std::string(500, 'y');
  EXPECT_EQ(client(1000).put_blob("team/a", digest_of(content), file(content)), Upload::sent);
  EXPECT_EQ(registry_.blobs.at(digest_text(digest_of(content))), content);
  EXPECT_EQ(registry_.count("PATCH"), 3U);
}

TEST_F(RegistryClientTest, AnUploadGoesOnWhereItBrokeOff) {
  int patches = 0;
  registry_.interfere = [&](const httplib::Request& request, httplib::Response& response) {
    return request.method == "PATCH" && ++patches == 2 && answer_with(response, 500);
  };
  const std::string content(3000, 'x');
  EXPECT_EQ(client(1000).put_blob("team/a", digest_of(content), file(content)), Upload::sent);
  EXPECT_EQ(registry_.blobs.at(digest_text(digest_of(content))), content);
  // Asked how far it is, and sent the rest: the first piece only once.
  EXPECT_EQ(registry_.count("GET /v2/team/a/blobs/uploads/"), 1U);
  std::size_t first_pieces = 0;
  for (const std::string& request : registry_.requests) {
    first_pieces += request.starts_with("PATCH") && request.ends_with("[0-999]") ? 1 : 0;
  }
  EXPECT_EQ(first_pieces, 1U);
}

TEST_F(RegistryClientTest, AnUploadThatNeverWorksIsGivenUp) {
  registry_.interfere = [&](const httplib::Request& request, httplib::Response& response) {
    return request.method == "PATCH" && answer_with(response, 500);
  };
  const std::string content(3000, 'x');
  const std::string why =
      refusal([&] { client(1000).put_blob("team/a", digest_of(content), file(content)); });
  EXPECT_NE(why.find("HTTP status 500"), std::string::npos) << why;
  EXPECT_TRUE(registry_.blobs.empty());
}

TEST_F(RegistryClientTest, BytesOfAnotherRepositoryAreMounted) {
  const std::string content = "layer";
  registry_.blobs[digest_text(digest_of(content))] = content;
  EXPECT_TRUE(client().mount_blob("team/b", digest_of(content), "team/a"));
  EXPECT_FALSE(client().mount_blob("team/b", digest_of("another"), "team/a"));
  EXPECT_EQ(registry_.count("DELETE"), 1U);
}

TEST_F(RegistryClientTest, WhatComesInIsChecked) {
  const std::string content = "layer";
  const Digest digest = digest_of(content);
  registry_.blobs[digest_text(digest)] = "lawyer";
  const fs::path to = scratch_.path() / "to";
  EXPECT_NE(refusal([&] { client().get_blob("team/a", digest, 6, to); }).find("other bytes"),
            std::string::npos);
  EXPECT_NE(refusal([&] { client().get_blob("team/a", digest, 5, to); }).find("longer"), std::string::npos);
  EXPECT_NE(refusal([&] {
              client().get_small_blob("team/a", {"", digest, 6, {}});
            }).find("other bytes"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(to));
  registry_.manifests["team/a:" + digest_text(digest)] = "{}";
  EXPECT_NE(refusal([&] { client().find_manifest("team/a", digest_text(digest)); }).find("other bytes"),
            std::string::npos);
}

TEST_F(RegistryClientTest, BusyServersAreAskedAgain) {
  int asked = 0;
  registry_.interfere = [&](const httplib::Request&, httplib::Response& response) {
    ++asked;
    if (asked == 1) {
      response.set_header("Retry-After", "1");
      return answer_with(response, 429);
    }
    return asked == 2 && answer_with(response, 502);
  };
  EXPECT_FALSE(client().has_blob("team/a", digest_of("x")));
  EXPECT_EQ(asked, 3);
}

TEST_F(RegistryClientTest, AServerThatStaysBusyIsGivenUp) {
  registry_.interfere = [](const httplib::Request&, httplib::Response& response) {
    return answer_with(response, 503);
  };
  const std::string why = refusal([&] { client().has_blob("team/a", digest_of("x")); });
  EXPECT_NE(why.find("HTTP status 503"), std::string::npos) << why;
  EXPECT_EQ(registry_.requests.size(), 4U);
}

TEST_F(RegistryClientTest, BasicAuthentication) {
  registry_.interfere = [](const httplib::Request& request, httplib::Response& response) {
    if (request.get_header_value("Authorization") == "Basic bWU6aHVudGVyMg==") {
      return false;
    }
    response.set_header("WWW-Authenticate", "Basic realm=\"r\"");
    return answer_with(response, 401);
  };
  EXPECT_NE(refusal([&] { client().has_blob("team/a", digest_of("x")); }).find("no credentials are known"),
            std::string::npos);
  log_in("bWU6aHVudGVyMg==");
  EXPECT_FALSE(client().has_blob("team/a", digest_of("x")));
  log_in("bWU6aHVudGVyMjI=");
  EXPECT_NE(refusal([&] { client().has_blob("team/a", digest_of("x")); }).find("refuses the credentials"),
            std::string::npos);
}

TEST_F(RegistryClientTest, TokensAreFetchedOnceForAScope) {
  log_in("bWU6aHVudGVyMg==");
  registry_.interfere = [&](const httplib::Request& request, httplib::Response& response) {
    if (request.path == "/token") {
      EXPECT_EQ(request.get_header_value("Authorization"), "Basic bWU6aHVudGVyMg==");
      EXPECT_EQ(request.get_param_value("service"), "the registry");
      response.set_content(R"({"token": ")" + request.get_param_value("scope") + R"("})", "application/json");
      return true;
    }
    if (request.get_header_value("Authorization") == "Bearer repository:team/a:pull") {
      return false;
    }
    response.set_header("WWW-Authenticate",
                        "Bearer realm=\"" + registry_.origin() + "/token\",service=\"the registry\"");
    return answer_with(response, 401);
  };
  RegistryClient from = client();
  EXPECT_FALSE(from.has_blob("team/a", digest_of("x")));
  EXPECT_FALSE(from.has_blob("team/a", digest_of("y")));
  EXPECT_EQ(registry_.count("GET /token"), 1U);
}

TEST_F(RegistryClientTest, CredentialsReachNoOtherHost) {
  log_in("bWU6aHVudGVyMg==");
  FakeRegistry elsewhere;
  const std::string content = "layer";
  const Digest digest = digest_of(content);
  registry_.blobs[digest_text(digest)] = content;
  elsewhere.blobs[digest_text(digest)] = content;
  registry_.sends_to = elsewhere.origin();
  registry_.interfere = [](const httplib::Request& request, httplib::Response& response) {
    response.set_header("WWW-Authenticate", "Basic realm=\"r\"");
    return !request.has_header("Authorization") && answer_with(response, 401);
  };
  client().get_blob("team/a", digest, content.size(), scratch_.path() / "to");
  EXPECT_EQ(read_file(scratch_.path() / "to"), content);
  ASSERT_EQ(elsewhere.requests.size(), 1U);
  EXPECT_EQ(elsewhere.requests[0], "GET /v2/team/a/blobs/" + digest_text(digest));
}

TEST_F(RegistryClientTest, RedirectsEnd) {
  const Digest digest = digest_of("x");
  registry_.blobs[digest_text(digest)] = "x";
  registry_.sends_to = registry_.origin();
  EXPECT_NE(
      refusal([&] { client().get_blob("team/a", digest, 1, scratch_.path() / "to"); }).find("redirects"),
      std::string::npos);
}

TEST_F(RegistryClientTest, ARefusalSaysWhatTheRegistrySays) {
  registry_.interfere = [](const httplib::Request&, httplib::Response& response) {
    response.set_content(R"({"errors":[{"code":"DENIED","message":"not\u001b[2J yours"}]})",
                         "application/json");
    return answer_with(response, 403);
  };
  const std::string why = refusal([&] { client().put_manifest("team/a", "7", "{}"); });
  EXPECT_NE(why.find("HTTP status 403 (DENIED: not?[2J yours)"), std::string::npos) << why;
}

}  // namespace
}  // namespace mlpipe
