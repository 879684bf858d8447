// Clients that want to hurt: each runs into its limit, and the others go on being served.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "pipeline/base/error.hpp"
#include "server/http/server.hpp"
#include "server/http/socket.hpp"
#include "tests/server/client.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// Answers at once, but "/never" not before the server has been told to forget it.
class Hostile : public testing::Test {
 protected:
  void start(HttpLimits limits) {
    FileDescriptor socket = listen_on("127.0.0.1", 0);
    port_ = address_of(socket).port;
    server_ = std::make_unique<HttpServer>(
        std::move(socket),
        HttpHandler{[this](const Request& request, const Respond& respond) {
                      if (request.path == "/never") {
                        request.record->id = "the-one";
                        const std::lock_guard lock(mutex_);
                        waiting_.push_back({request, respond});
                      } else {
                        respond({200, "text/plain", "served"});
                      }
                    },
                    [](int status, std::string_view why, RequestRecord* request) {
                      return Response{
                          status, "text/plain", std::string(why), {{"X-Of", request ? request->id : "none"}}};
                    }},
        limits, 2);
  }

  void TearDown() override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.clear();  // who answers later must have ended before the server does
    }
    server_.reset();
  }

  void expect_others_are_served() const {
    WireClient client(port_);
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(client.get("/").body, "served");
    }
  }

  struct Waiting {
    Request request;
    Respond respond;
  };

  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<Waiting> waiting_;  // under the mutex
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Hostile, ManyHeadersAre431) {
  HttpLimits limits;
  limits.headers = 20;
  start(limits);
  const auto headers = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += fmt::format("X-{}: y\r\n", i);
    }
    return text;
  };
  WireClient at_the_limit(port_);
  EXPECT_EQ(at_the_limit.get("/", headers(19)).status, 200);  // with Host
  const WireResponse beyond = WireClient(port_).get("/", headers(20));
  EXPECT_EQ(beyond.status, 431);
  EXPECT_EQ(beyond.body, "headers: there are more than 20 of them");
  EXPECT_EQ(beyond.header("Connection"), "close");
  // Before the body was sent, and also when the same header is meant again and again.
  WireClient asking(port_);
  std::string same;
  for (int i = 0; i < 30; ++i) {
    same += "X-Same: y\r\n";
  }
  asking.send("POST / HTTP/1.1\r\nContent-Length: 100\r\n" + same + "\r\n");
  EXPECT_EQ(asking.receive().status, 431);
  expect_others_are_served();
}

TEST_F(Hostile, HeadersWithoutEndAre431) {
  HttpLimits limits;
  limits.header_bytes = 4096;
  start(limits);
  WireClient client(port_);
  client.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 1000; ++i) {
    client.send(fmt::format("X-{}: {}\r\n", i, std::string(100, 'y')));
  }
  EXPECT_EQ(client.receive().status, 431);
  WireClient line(port_);
  line.send("GET /" + std::string(5000, 'x'));
  EXPECT_EQ(line.receive().status, 431);
  expect_others_are_served();
}

// A byte now and then keeps a connection busy, but not beyond the time that a whole request has.
TEST_F(Hostile, TricklingIsNoWayAroundTheTime) {
  HttpLimits limits;
  limits.receiving = 200ms;
  start(limits);
  for (const std::string& beginning :
       {std::string("GET / HTTP/1.1\r\n"), std::string("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")}) {
    const bool is_chunked = beginning.find("chunked") != std::string::npos;
    WireClient client(port_);
    client.send(beginning);
    const std::jthread trickle([&](const std::stop_token& done) {
      try {
        while (!done.stop_requested()) {
          client.send(is_chunked ? "1\r\nx\r\n" : "x");
          std::this_thread::sleep_for(5ms);
        }
      } catch (const Error&) {  // it was closed, which is as good
      }
    });
    EXPECT_EQ(client.receive().status, 408) << beginning;
  }
  expect_others_are_served();
}

TEST_F(Hostile, ARequestThatIsNotAnsweredInTimeIs504AndCancelled) {
  HttpLimits limits;
  limits.answering = 60ms;
  start(limits);
  WireClient client(port_);
  const WireResponse response = client.get("/never");
  EXPECT_EQ(response.status, 504);
  EXPECT_EQ(response.body, "request: it took too long to answer");
  EXPECT_EQ(response.header("X-Of"), "the-one");
  EXPECT_TRUE(client.is_closed());
  {
    const std::lock_guard lock(mutex_);
    ASSERT_EQ(waiting_.size(), 1U);
    EXPECT_TRUE(waiting_.front().request.cancelled.stop_requested());
    waiting_.front().respond({200, "text/plain", "too late"});  // and to nobody
  }
  expect_others_are_served();
}

TEST_F(Hostile, WhatIsRefusedBeforeItIsARequestIsNoneOfTheRequestsBefore) {
  start({});
  WireClient client(port_);
  EXPECT_EQ(client.get("/").body, "served");
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.receive().header("X-Of"), "none");
}

TEST_F(Hostile, AnAnswerThatIsGivenTwiceIsSentOnce) {
  start({});
  WireClient client(port_);
  client.send("GET /never HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  std::optional<Waiting> waiting;
  while (!waiting) {
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty()) {
      waiting = waiting_.front();
    }
  }
  waiting->respond({200, "text/plain", "first"});
  waiting->respond({200, "text/plain", "second"});
  EXPECT_EQ(client.receive().body, "first");
  EXPECT_EQ(client.receive().body, "served");
  EXPECT_EQ(client.get("/").body, "served");
}

// How many connections this process may have open to itself, two descriptors each.
std::size_t most_connections() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(10'000, (limit.rlim_cur - 200) / 2);
}

TEST_F(Hostile, TenThousandIdleConnectionsDoNotDisturbOthers) {
  const std::size_t count = most_connections();
  ASSERT_GE(count, 1000U) << "raise the limit of open files";
  HttpLimits limits;
  limits.connections = count + 10;
  start(limits);
  std::vector<std::unique_ptr<WireClient>> idle;
  constexpr std::array beginnings = {"", "G", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12"};
  for (std::size_t i = 0; i < count; ++i) {
    idle.push_back(std::make_unique<WireClient>(port_));
    idle.back()->send(beginnings[i % beginnings.size()]);
  }
  for (int i = 0; i < 10; ++i) {
    expect_others_are_served();
  }
  // They were all let in, and are served when they wake up.
  for (std::size_t i = 0; i < count; i += count / 30 * 3) {
    EXPECT_EQ(idle[i]->get("/").body, "served") << i;
  }
}

}  // namespace
}  // namespace mlpipe
