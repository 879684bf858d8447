// Operating mlpipe-serve: who may ask, TLS, compression, logs, reloads and the way it ends.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "server/filter/gzip.hpp"
#include "tests/server/serve_process.hpp"
#include "tests/server/tiny_model.hpp"
#include "tests/server/tls_client.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* example = R"({"data": [1, 2, 3, 4]})";

class Operating : public testing::Test {
 protected:
  Operating() { write_tiny_model(model(), 0); }

  fs::path model() const { return folder_.path() / "model"; }
  std::string file(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_.path() / name, text, 0600);
    return folder_.path() / name;
  }

  TemporaryDirectory folder_;
};

std::string prediction(std::uint16_t port) {
  return Json::parse(post_once(port, "/predict", example).body).at("prediction").dump();
}

std::string basic(const std::string& base64) {
  return "Authorization: Basic " + base64 + "\r\n";
}

TEST_F(Operating, GzipGoesBothWays) {
  const ServeProcess server(folder_.path(), model(), {"--body-limit", "100000"});
  WireClient client(server.port());
  const std::string headers = "Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n";
  EXPECT_EQ(client.post("/predict", pack_gzip(example), headers).status, 200);
  std::string many = R"({"data": [[1,2,3,4])";
  for (int i = 0; i < 200; ++i) {
    many += ",[1,2,3,4]";
  }
  many += "]}";
  const WireResponse packed = client.post("/predict", pack_gzip(many), headers);
  EXPECT_EQ(packed.status, 200);
  EXPECT_EQ(packed.header("Content-Encoding"), "gzip");
  EXPECT_EQ(unpack_gzip(packed.body, 1'000'000), client.post("/predict", many).body);
  EXPECT_EQ(client.post("/predict", pack_gzip(std::string(5'000'000, ' ')), headers).status, 413);
  EXPECT_EQ(client.post("/predict", example, "Content-Encoding: br\r\n").status, 415);
  EXPECT_EQ(client.post("/predict", example, "Content-Encoding: gzip\r\n").status, 400);
}

TEST_F(Operating, EveryAnswerHasItsRequestId) {
  const ServeProcess server(folder_.path(), model());
  WireClient client(server.port());
  EXPECT_EQ(client.get("/v2/health/live", "X-Request-Id: mine\r\n").header("X-Request-Id"), "mine");
  EXPECT_FALSE(client.post("/predict", "{").header("X-Request-Id").empty());
  EXPECT_FALSE(client.get("/nothing").header("X-Request-Id").empty());
  client.send("nonsense\r\n\r\n");
  EXPECT_FALSE(client.receive().header("X-Request-Id").empty());
}

TEST_F(Operating, TheAccessLogIsJsonWithoutSecrets) {
  ServeProcess server(folder_.path(), model(), {"--access-log"});
  WireClient client(server.port());
  client.post("/predict?key=hidden1", example, "X-Request-Id: first\r\nAuthorization: Bearer hidden2\r\n");
  client.get("/hidden3", "X-Request-Id: second\r\n");
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().exit_code, 0);
  std::map<std::string, Json> lines;
  for (const std::string& line : split(server.log(), '\n')) {
    if (line.starts_with("{")) {
      const Json parsed = Json::parse(line);
      lines[parsed.at("id")] = parsed;
    }
  }
  EXPECT_EQ(lines.at("first").at("route"), "/predict");
  EXPECT_EQ(lines.at("first").at("status"), 200);
  EXPECT_EQ(lines.at("first").at("model"), "tiny");
  EXPECT_EQ(lines.at("first").at("version"), "1");
  EXPECT_EQ(lines.at("second").at("route"), "other");
  EXPECT_EQ(lines.at("second").at("status"), 404);
  EXPECT_EQ(server.log().find("hidden"), std::string::npos) << server.log();
}

TEST_F(Operating, InferenceCanBeGuardedToo) {
  const ServeProcess server(folder_.path(), model(),
                            {"--auth-token-file", file("tokens", "first\nsecond\n"), "--auth-basic-file",
                             file("users", "Aladdin:open sesame\n"), "--admin-basic-file",
                             file("admins", "root:hush\n"), "--cors-origin", "https://a.example"});
  WireClient client(server.port());
  const WireResponse refused = client.post("/predict", example, "Origin: https://a.example\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_NE(refused.head.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_NE(refused.head.find("WWW-Authenticate: Basic"), std::string::npos);
  EXPECT_EQ(refused.header("Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_EQ(client.post("/predict", example, "Authorization: Bearer second\r\n").status, 200);
  EXPECT_EQ(client.post("/predict", example, basic("QWxhZGRpbjpvcGVuIHNlc2FtZQ==")).status, 200);
  EXPECT_EQ(client.post("/predict", example, basic("cm9vdDpodXNo")).status, 401) << "an admin is no client";
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  EXPECT_EQ(client.get("/metrics").status, 401);
  client.send(
      "OPTIONS /predict HTTP/1.1\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: "
      "POST\r\n\r\n");
  const WireResponse preflight = client.receive();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Content-Length") + preflight.header("Content-Type"), "");
  EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "https://a.example");
  WireClient admin(server.admin_port());
  EXPECT_EQ(admin.get("/admin/state").status, 401);
  EXPECT_EQ(admin.get("/admin/state", basic("cm9vdDpodXNo")).status, 200);
  EXPECT_EQ(admin.get("/admin/state", fmt::format("Authorization: Bearer {}\r\n", test_token)).status, 200);
  EXPECT_EQ(admin.get("/admin/state", "Authorization: Bearer first\r\n").status, 401);
  EXPECT_EQ(admin.get("/unknown").status, 401);
  EXPECT_EQ(admin.get("/metrics").status, 200);
}

TEST_F(Operating, BothPortsSpeakTls) {
  const TlsFiles own = write_certificate(folder_.path() / "public", "public");
  const TlsFiles admins = write_certificate(folder_.path() / "admin", "admin");
  ServeProcess server(folder_.path(), model(),
                      {"--tls-cert", own.certificate, "--tls-key", own.key, "--admin-tls-cert",
                       admins.certificate, "--admin-tls-key", admins.key});
  EXPECT_EQ(TlsClient(server.port()).certificate_name(), "/CN=public");
  EXPECT_EQ(TlsClient(server.admin_port()).certificate_name(), "/CN=admin");
  EXPECT_NE(TlsClient(server.port()).get("/v2/health/ready").find(" 200 "), std::string::npos);
  EXPECT_EQ(WireClient(server.port()).get("/v2/health/ready").status, 400);
  // A new certificate is taken up; one that is broken is not.
  write_certificate(folder_.path() / "public", "renewed");
  server.signal(SIGHUP);
  while (TlsClient(server.port()).certificate_name() != "/CN=renewed") {
    std::this_thread::sleep_for(5ms);
  }
  file("public/certificate.pem", "broken");
  server.signal(SIGHUP);
  while (TlsClient(server.port()).get("/metrics").find("mlpipe_model_loads_total{result=\"succeeded\"} 3") ==
         std::string::npos) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(TlsClient(server.port()).certificate_name(), "/CN=renewed");
}

TEST_F(Operating, AReloadTakesUpWhatChangedOnDisk) {
  ServeProcess server(folder_.path(), model(), {"--auth-token-file", file("tokens", "old\n")});
  const auto predict = [&](const std::string& token) {
    return post_once(server.port(), "/predict", example, "Authorization: Bearer " + token + "\r\n");
  };
  EXPECT_EQ(Json::parse(predict("old").body).at("prediction"), 0);
  write_tiny_model(model(), 2);
  file("tokens", "new\n");
  const WireResponse reloaded = server.admin_post("/admin/reload", "");
  EXPECT_EQ(reloaded.status, 200) << reloaded.body;
  EXPECT_EQ(predict("old").status, 401);
  EXPECT_EQ(Json::parse(predict("new").body).at("prediction"), 2);
  EXPECT_EQ(Json::parse(predict("new").body).at("version"), "1");
  // What cannot be taken up is said, and changes nothing; the rest is taken up.
  fs::remove(model() / "weights.safetensors");
  file("tokens", "newest\n");
  const WireResponse failed = server.admin_post("/admin/reload", "");
  EXPECT_EQ(failed.status, 422);
  EXPECT_NE(Json::parse(failed.body).at("error").get<std::string>().find("weights.safetensors"),
            std::string::npos)
      << failed.body;
  EXPECT_EQ(Json::parse(predict("newest").body).at("prediction"), 2);
}

TEST_F(Operating, SighupReloadsBesideTheVersionThatServes) {
  ServeProcess server(folder_.path(), model());
  EXPECT_EQ(prediction(server.port()), "0");
  write_tiny_model(model(), 1);
  server.signal(SIGHUP);
  std::string now = prediction(server.port());
  while (now != "1") {
    ASSERT_EQ(now, "0");
    now = prediction(server.port());
  }
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().exit_code, 0);
}

TEST_F(Operating, GoesOnServingNotReadyWhileLoadBalancersLook) {
  ServeProcess server(folder_.path(), model(), {"--drain-delay", "600"});
  WireClient client(server.port());
  server.signal(SIGTERM);
  while (client.get("/v2/health/ready").status == 200) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(client.get("/v2/health/live").status, 200);
  const WireResponse response = client.post("/predict", example);
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.header("Connection"), "close");
  EXPECT_EQ(post_once(server.port(), "/predict", example).status, 200) << "new connections are let in";
  // A second one does not wait.
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().signal, SIGTERM);
}

TEST_F(Operating, StopsByItselfAfterTheDelay) {
  ServeProcess server(folder_.path(), model(), {"--drain-delay", "0.1"});
  EXPECT_EQ(server.admin_post("/admin/stop", "").status, 202);
  EXPECT_EQ(server.wait().exit_code, 0);
}

TEST_F(Operating, LimitsAreTheOperatorsToSet) {
  const ServeProcess server(folder_.path(), model(),
                            {"--header-limit", "1000", "--header-count", "10", "--idle-timeout", "0.1",
                             "--receive-timeout", "0.1", "--connection-limit", "50"});
  EXPECT_EQ(WireClient(server.port()).get("/", "X: " + std::string(1000, 'x') + "\r\n").status, 431);
  std::string many;
  for (int i = 0; i < 10; ++i) {
    many += fmt::format("X-{}: y\r\n", i);
  }
  EXPECT_EQ(WireClient(server.port()).get("/", many).status, 431);
  WireClient idle(server.port());
  EXPECT_TRUE(idle.is_closed());
  WireClient slow(server.port());
  slow.send("GET / HT");
  EXPECT_EQ(slow.receive().status, 408);
}

TEST_F(Operating, SaysWhatIsWrongWithItsFiles) {
  const auto expect = [&](std::vector<std::string> arguments, const std::string& words) {
    arguments.insert(arguments.begin(), {"--model", model().string(), "--port", "0"});
    const Captured result = run_serve(arguments);
    EXPECT_EQ(result.ending.exit_code, 2) << result.error;
    EXPECT_NE(result.error.find(words), std::string::npos) << result.error;
  };
  const TlsFiles good = write_certificate(folder_.path() / "tls", "a");
  expect({"--tls-cert", good.certificate}, "--tls-key");
  expect({"--tls-cert", good.key, "--tls-key", good.key}, "no certificate");
  expect({"--auth-basic-file", file("users", "nobody\n")}, "users:1: user:password is expected");
  expect({"--auth-token-file", file("none", "\n")}, "it holds no token");
  expect({"--cors-origin", "example.org"}, "'example.org' is no origin");
  expect({"--idle-timeout", "0"}, "--idle-timeout");
}

}  // namespace
}  // namespace mlpipe
