#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pipeline/base/error.hpp"
#include "server/http/server.hpp"
#include "server/http/socket.hpp"
#include "tests/server/client.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// A server that says what it was asked.
class Transport : public testing::Test {
 protected:
  void start(HttpLimits limits = {}, unsigned threads = 2) {
    FileDescriptor socket = listen_on("127.0.0.1", 0);
    port_ = address_of(socket).port;
    server_ =
        std::make_unique<HttpServer>(std::move(socket),
                                     HttpHandler{[this](const Request& request, const Respond& respond) {
                                                   if (request.path == "/later") {
                                                     later_.put({request.cancelled, respond});
                                                   } else {
                                                     respond(answer(request));
                                                   }
                                                 },
                                                 [](int status, std::string_view why, RequestRecord*) {
                                                   return Response{status, "text/plain", std::string(why)};
                                                 }},
                                     limits, threads);
  }

  Response answer(const Request& request) {
    if (request.path == "/throw") {
      throw std::runtime_error("thrown");
    }
    if (request.path == "/full") {
      return {503, "text/plain", "", {{"Retry-After", "1"}}};
    }
    hasty_requests_ += request.path == "/hasty" ? 1 : 0;
    if (request.path == "/wait") {
      entered_.set_value();
      release_.get_future().wait();
    }
    return {200, "text/plain",
            fmt::format("{} {} {} [{}] {}", request.method, request.path, request.query,
                        request.header("x-test"), request.body.size())};
  }

  struct LaterAnswer {
    std::stop_token cancelled;
    Respond respond;
  };

  // Requests that the test answers itself.
  class LaterAnswers {
   public:
    void put(LaterAnswer answer) {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
      changed_.notify_all();
    }
    LaterAnswer next() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !answers_.empty(); });
      LaterAnswer answer = std::move(answers_.front());
      answers_.pop_front();
      return answer;
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<LaterAnswer> answers_;
  };

  std::uint16_t port_ = 0;
  std::atomic<int> hasty_requests_{0};
  LaterAnswers later_;
  std::promise<void> entered_;
  std::promise<void> release_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Transport, GivesTheRequestAndKeepsTheConnection) {
  start();
  WireClient client(port_);
  EXPECT_EQ(client.get("/a/b?c=d&e", "X-Test: yes\r\n").body, "GET /a/b c=d&e [yes] 0");
  EXPECT_EQ(client.post("/a", "12345").body, "POST /a  [] 5");
  EXPECT_EQ(client.get("http://host:1/absolute?x").body, "GET /absolute x [] 0");
  const WireResponse last = client.get("/", "Connection: close\r\n");
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_TRUE(client.is_closed());
}

TEST_F(Transport, AnswersPipelinedRequestsInOrder) {
  start();
  WireClient client(port_);
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += fmt::format("POST /{} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", i);
  }
  client.send(requests);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.receive().body, fmt::format("POST /{}  [] 3", i));
  }
}

TEST_F(Transport, ReadsARequestThatArrivesByteByByte) {
  start();
  WireClient client(port_);
  for (const char byte : std::string("POST /slow HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd")) {
    client.send({&byte, 1});
  }
  EXPECT_EQ(client.receive().body, "POST /slow  [] 4");
}

TEST_F(Transport, ReadsChunkedBodies) {
  start();
  WireClient client(port_);
  client.send(
      "POST /c HTTP/1.1\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body, "POST /c  [] 19");
}

TEST_F(Transport, AnswersHeadWithoutABody) {
  start();
  WireClient client(port_);
  client.send("HEAD /h HTTP/1.1\r\n\r\n");
  const WireResponse response = client.receive(false);
  EXPECT_EQ(response.header("Content-Length"), "13");
  EXPECT_EQ(client.get("/next").body, "GET /next  [] 0");
}

TEST_F(Transport, ClosesAfterHttp10) {
  start();
  WireClient client(port_);
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.is_closed());
}

TEST_F(Transport, SaysContinueToWhoAsksFirst) {
  start();
  WireClient client(port_);
  client.send("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive(false).status, 100);
  client.send("ab");
  EXPECT_EQ(client.receive().body, "POST /e  [] 2");
}

TEST_F(Transport, RefusesALargeBodyAlsoToAClientThatSendsItFirst) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  start(limits);
  const WireResponse response = WireClient(port_).post("/", std::string(8'000'000, 'x'));
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "body: it is larger than 1000 bytes");
  EXPECT_EQ(response.header("Connection"), "close");
  WireClient asking(port_);
  asking.send("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_EQ(asking.receive().status, 413);
  WireClient chunked(port_);
  chunked.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    chunked.send("190\r\n" + std::string(0x190, 'x') + "\r\n");
  }
  EXPECT_EQ(chunked.receive().status, 413);
  EXPECT_EQ(WireClient(port_).post("/", std::string(1000, 'x')).status, 200);
}

TEST_F(Transport, RefusesWhatIsNotHttp) {
  start();
  const std::vector<std::pair<std::string, int>> table = {
      {"nonsense\r\n\r\n", 400},
      {std::string("\0\1\2\3\r\n\r\n", 8), 400},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},  // TLS
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\nNo colon\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
  };
  for (const auto& [bytes, status] : table) {
    WireClient client(port_);
    client.send(bytes);
    EXPECT_EQ(client.receive().status, status) << bytes.substr(0, 60);
  }
  EXPECT_EQ(WireClient(port_).get("/").status, 200);
}

TEST_F(Transport, SurvivesClientsThatLeaveInTheMiddle) {
  start();
  for (const std::string bytes :
       {"", "GET", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", "GET / HTTP/1.1\r\n\r\n"}) {
    for (int i = 0; i < 20; ++i) {
      WireClient(port_).send(bytes);
    }
  }
  EXPECT_EQ(WireClient(port_).get("/").status, 200);
}

TEST_F(Transport, AHandlerThatThrowsIs500AndTheConnectionGoesOn) {
  start();
  WireClient client(port_);
  EXPECT_EQ(client.get("/throw").status, 500);
  EXPECT_EQ(client.get("/").status, 200);
}

TEST_F(Transport, EndsIdleConnectionsAndSlowRequests) {
  HttpLimits limits;
  limits.idle = 60ms;
  limits.receiving = 60ms;
  start(limits);
  WireClient idle(port_);
  EXPECT_TRUE(idle.is_closed());
  WireClient slow_header(port_);
  slow_header.send("GET / HT");
  EXPECT_EQ(slow_header.receive().status, 408);
  WireClient slow_body(port_);
  slow_body.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(slow_body.receive().status, 408);
}

TEST_F(Transport, EndsAConnectionThatDoesNotReadItsAnswers) {
  HttpLimits limits;
  limits.sending = 60ms;
  start(limits);
  WireClient deaf(port_);
  EXPECT_ANY_THROW({
    for (int i = 0; i < 10'000;
         ++i) {  // its answers fill every buffer, so the server stops reading and then closes
      deaf.send(fmt::format("GET /{} HTTP/1.1\r\n\r\n", std::string(16'000, 'x')));
    }
  });
  EXPECT_EQ(WireClient(port_).get("/").status, 200);
}

TEST_F(Transport, TurnsAwayConnectionsBeyondTheLimit) {
  HttpLimits limits;
  limits.connections = 2;
  start(limits);
  WireClient first(port_);
  WireClient second(port_);
  EXPECT_EQ(first.get("/").status, 200);
  EXPECT_EQ(second.get("/").status, 200);
  WireClient third(port_);
  EXPECT_EQ(third.receive().status, 503);
  EXPECT_EQ(first.get("/").status, 200);
}

TEST_F(Transport, TurnsAwayBodiesBeyondWhatAllTogetherMayHold) {
  HttpLimits limits;
  limits.buffered_bytes = 100'000;
  start(limits);
  WireClient first(port_);
  first.send(fmt::format("POST / HTTP/1.1\r\nContent-Length: 90000\r\n\r\n{}", std::string(80'000, 'x')));
  WireClient ping(port_);
  WireResponse second;
  do {  // the first body may not have arrived yet
    second = WireClient(port_).post("/", std::string(70'000, 'x'));  // more than one read takes
  } while (second.status == 200);
  EXPECT_EQ(second.status, 503);
  first.send(std::string(10'000, 'x'));
  EXPECT_EQ(first.receive().status, 200);
  EXPECT_EQ(ping.post("/", std::string(60'000, 'x')).status, 200);
}

TEST_F(Transport, WhoWasToldToTryLaterIsLeftUnreadMeanwhile) {
  HttpLimits limits;
  limits.held_off = 1h;
  start(limits);
  WireClient hasty(port_);
  EXPECT_EQ(hasty.get("/full").status, 503);
  hasty.send("GET /hasty HTTP/1.1\r\n\r\n");
  WireClient other(port_);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(other.get("/").status, 200);
  }
  EXPECT_EQ(hasty_requests_, 0);
  server_->stop(20s);  // answers it as well
  EXPECT_EQ(hasty.receive().status, 200);
}

TEST_F(Transport, WhoWasToldToTryLaterIsAnsweredInTheEnd) {
  HttpLimits limits;
  limits.held_off = 1ms;
  start(limits);
  std::vector<std::unique_ptr<WireClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<WireClient>(port_));
    clients.back()->send("GET /full HTTP/1.1\r\n\r\nGET /hasty HTTP/1.1\r\n\r\n");
  }
  for (const std::unique_ptr<WireClient>& client : clients) {
    EXPECT_EQ(client->receive().status, 503);
    EXPECT_EQ(client->receive().status, 200);
  }
}

TEST_F(Transport, ARequestSentEarlyAndALeavingClientAreSeenWhileAnswering) {
  start();
  {
    WireClient early(port_);
    early.send("GET /later HTTP/1.1\r\n\r\n");
    LaterAnswer first = later_.next();
    early.send("GET /second HTTP/1.1\r\n\r\n");
    first.respond({200, "text/plain", "first"});
    EXPECT_EQ(early.receive().body, "first");
    EXPECT_EQ(early.receive().body, "GET /second  [] 0");
  }
  auto leaving = std::make_unique<WireClient>(port_);
  leaving->send("GET /later HTTP/1.1\r\n\r\n");
  LaterAnswer unwanted = later_.next();
  leaving.reset();
  while (!unwanted.cancelled.stop_requested()) {  // or this runs into the test's time limit
    std::this_thread::sleep_for(1ms);
  }
  unwanted.respond({200, "text/plain", "unwanted"});
  EXPECT_EQ(WireClient(port_).get("/").status, 200);
}

TEST_F(Transport, StopFinishesWhatIsUnderWay) {
  start();
  WireClient busy(port_);
  busy.send("GET /wait HTTP/1.1\r\n\r\n");
  entered_.get_future().wait();
  std::jthread stop([this] { server_->stop(20s); });
  // While the stop waits, no new connection is let in once the socket is closed.
  while (true) {
    try {
      const WireClient late(port_);
    } catch (const Error&) {
      break;
    }
    std::this_thread::sleep_for(1ms);
  }
  release_.set_value();
  const WireResponse response = busy.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("Connection"), "close");
}

TEST_F(Transport, StopAnswersAClientThatSendsWithoutPause) {
  start();
  std::atomic<int> answered{0};
  std::promise<std::string> ending;
  std::jthread sender([&] {
    WireClient client(port_);
    while (true) {
      const WireResponse response = client.get("/");
      ++answered;
      if (response.header("Connection") == "close") {
        ending.set_value("told");
        return;
      }
    }
  });
  while (answered < 10) {
    std::this_thread::yield();
  }
  server_->stop(20s);
  EXPECT_EQ(ending.get_future().get(), "told");
}

TEST_F(Transport, StopDoesNotWaitForIdleConnections) {
  start();
  WireClient idle(port_);
  EXPECT_EQ(idle.get("/").status, 200);
  server_->stop(60s);  // would run into the test's time limit if it waited for the grace or the idle time
  EXPECT_TRUE(idle.is_closed());
}

TEST_F(Transport, StopServesWhatIsInTheQueueAlready) {
  FileDescriptor socket = listen_on("127.0.0.1", 0);
  const std::uint16_t port = address_of(socket).port;
  std::vector<std::unique_ptr<WireClient>> queued;
  for (int i = 0; i < 20; ++i) {
    queued.push_back(std::make_unique<WireClient>(port));
    queued.back()->send("GET / HTTP/1.1\r\n\r\n");
  }
  HttpServer server(std::move(socket),
                    {[](const Request&, const Respond& respond) {
                       respond({200, "text/plain", "served"});
                     },
                     [](int status, std::string_view, RequestRecord*) {
                       return Response{status, "text/plain", ""};
                     }},
                    {}, 2);
  server.stop(20s);
  for (const std::unique_ptr<WireClient>& client : queued) {
    EXPECT_EQ(client->receive().body, "served");
  }
}

TEST(Socket, AdoptsOnlyAListeningTcpSocket) {
  const FileDescriptor listening = listen_on("127.0.0.1", 0);
  EXPECT_EQ(address_of(adopt_listening_socket(::dup(listening.get()))).port, address_of(listening).port);
  EXPECT_THROW(adopt_listening_socket(987), UsageError);
  EXPECT_THROW(adopt_listening_socket(0), UsageError);
}

TEST(Socket, SaysWhyItCannotListen) {
  const FileDescriptor taken = listen_on("127.0.0.1", 0);
  EXPECT_THROW(listen_on("127.0.0.1", address_of(taken).port), Error);
  EXPECT_THROW(listen_on("no.such.host.invalid", 0), UsageError);
  EXPECT_THROW(listen_on("192.0.2.1", 0), Error);  // an address of nobody
}

TEST(Socket, WritesAddressesAsUrls) {
  EXPECT_EQ((SocketAddress{"127.0.0.1", 80}).url(), "http://127.0.0.1:80");
  EXPECT_EQ((SocketAddress{"::1", 80}).url(), "http://[::1]:80");
}

}  // namespace
}  // namespace mlpipe
