// The transport under TLS.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "pipeline/base/error.hpp"
#include "server/http/server.hpp"
#include "server/http/socket.hpp"
#include "tests/server/client.hpp"
#include "tests/server/tls_client.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

class Tls : public testing::Test {
 protected:
  void start(HttpLimits limits = {}) {
    FileDescriptor socket = listen_on("127.0.0.1", 0);
    port_ = address_of(socket).port;
    server_ = std::make_unique<HttpServer>(
        std::move(socket),
        HttpHandler{[](const Request& request, const Respond& respond) {
                      respond({200, "text/plain", request.path + " " + std::string(answer_bytes, 'x')});
                    },
                    [](int status, std::string_view why, RequestRecord*) {
                      return Response{status, "text/plain", std::string(why)};
                    }},
        limits, 2, tls_);
  }

  static constexpr std::size_t answer_bytes = 100'000;
  TemporaryDirectory folder_;
  std::shared_ptr<Current<TlsContext>> tls_ =
      std::make_shared<Current<TlsContext>>(read_tls(write_certificate(folder_.path() / "one", "one")));
  std::uint16_t port_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Tls, AnswersAndSaysGoodbye) {
  start();
  TlsClient client(port_);
  EXPECT_EQ(client.certificate_name(), "/CN=one");
  EXPECT_EQ(client.protocol(), "TLSv1.3");
  client.send("GET /first HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
  const std::string answers = client.get("/third");
  for (const char* path : {"/first", "/second", "/third"}) {
    EXPECT_NE(answers.find(path + (" " + std::string(answer_bytes, 'x'))), std::string::npos) << path;
  }
}

TEST_F(Tls, TakesRequestsOfSeveralRecords) {
  start();
  TlsClient client(port_);
  client.send("POST /large HTTP/1.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n");
  client.send(std::string(200'000, 'y'));
  EXPECT_NE(client.receive_all().find("/large x"), std::string::npos);
}

TEST_F(Tls, SpeaksNothingOlderThan12) {
  start();
  EXPECT_EQ(TlsClient(port_, TLS1_2_VERSION).protocol(), "TLSv1.2");
  EXPECT_THROW(TlsClient(port_, TLS1_1_VERSION), Error);
  EXPECT_THROW(TlsClient(port_, TLS1_VERSION), Error);
  EXPECT_EQ(TlsClient(port_).protocol(), "TLSv1.3");
}

TEST_F(Tls, TellsWhoSpeaksPlainHttp) {
  start();
  WireClient client(port_);
  const WireResponse response = client.get("/");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("https://"), std::string::npos);
  EXPECT_TRUE(client.is_closed());
}

TEST_F(Tls, EndsHandshakesThatAreWrongOrSlow) {
  HttpLimits limits;
  limits.receiving = 60ms;
  start(limits);
  WireClient nonsense(port_);
  nonsense.send("\x16\x03\x01nonsense that is no handshake, and long enough for a record" +
                std::string(70'000, 'z'));
  EXPECT_ANY_THROW(nonsense.receive());
  WireClient slow(port_);
  slow.send("\x16\x03\x01");
  EXPECT_TRUE(slow.is_closed());
  EXPECT_NE(TlsClient(port_).get("/next").find("/next"), std::string::npos);
}

TEST_F(Tls, RefusesUnderTlsToo) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  limits.receiving = 60ms;
  start(limits);
  TlsClient large(port_);
  large.send("POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x'));
  EXPECT_NE(large.receive_all().find(" 413 "), std::string::npos);
  TlsClient slow(port_);
  slow.send("GET / HT");
  EXPECT_NE(slow.receive_all().find(" 408 "), std::string::npos);
}

TEST_F(Tls, ConnectionsBeginWithTheCertificateThatIsCurrent) {
  start();
  TlsClient before(port_);
  tls_->set(read_tls(write_certificate(folder_.path() / "two", "two")));
  EXPECT_EQ(TlsClient(port_).certificate_name(), "/CN=two");
  EXPECT_EQ(before.certificate_name(), "/CN=one");
  EXPECT_NE(before.get("/still").find("/still"), std::string::npos);
}

TEST_F(Tls, StopFinishesWhatIsUnderWay) {
  start();
  TlsClient client(port_);
  client.send("GET /half HTTP/1.1\r\n");
  TlsClient idle(port_);
  std::jthread stop([this] { server_->stop(20s); });
  try {  // until the port lets nobody in any more
    while (true) {
      const WireClient late(port_);
      std::this_thread::sleep_for(1ms);
    }
  } catch (const Error&) {
  }
  client.send("\r\n");
  EXPECT_NE(client.receive_all().find("/half"), std::string::npos);
}

TEST(TlsFilesOf, SayWhatIsWrongWithThem) {
  const TemporaryDirectory folder;
  const TlsFiles good = write_certificate(folder.path() / "a", "a");
  const TlsFiles other = write_certificate(folder.path() / "b", "b");
  const auto expect_named = [](const TlsFiles& files, const std::string& words) {
    try {
      read_tls(files);
      FAIL() << words;
    } catch (const UsageError& fault) {
      EXPECT_NE(std::string(fault.what()).find(words), std::string::npos) << fault.what();
    }
  };
  EXPECT_NO_THROW(read_tls(good));
  expect_named({folder.path() / "none", good.key}, "none: no certificate");
  expect_named({good.certificate, folder.path() / "none"}, "none: no private key");
  expect_named({good.certificate, other.key}, "no private key of");
  std::ofstream(folder.path() / "empty") << "";
  expect_named({folder.path() / "empty", good.key}, "empty: no certificate");
  expect_named({good.certificate, {}}, "only one of them");
}

}  // namespace
}  // namespace mlpipe
