// Sends one request again and again to a server on this machine and prints, as JSON, how it was answered.
//
// usage: bench-open-loop PORT PATH BODY-FILE CONTENT-TYPE CONNECTIONS RATE SECONDS [WINDOW-SECONDS]
// RATE is in requests a second, evenly spread, whatever the answers do: an open loop. A latency counts from
// the moment at which its request was due, so that a server which stalls is charged for those that had to
// wait. With RATE 0 each connection sends its next request when it has the answer: a closed loop. An
// answer of 503 counts as refused and has no latency; `unsent` were due before the end and got no connection.
// Prints
// {"answers":N,"refused":N,"unsent":N,"failures":N,"rate":N,"p50":MS,"p99":MS,"max":MS,"windows":[p99 of each
// window]}.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

struct Sample {
  Clock::time_point due;
  double milliseconds;
};

// What all connections share.
struct Load {
  std::string request;
  asio::ip::tcp::endpoint server;
  Clock::time_point end;
  std::deque<Clock::time_point> due = {};  // of requests that no connection has taken yet
  std::vector<class Sender*> free = {};
  std::vector<Sample> samples = {};
  std::size_t refused = 0;
  std::size_t failures = 0;
  bool open = false;
};

class Sender {
 public:
  Sender(asio::io_context& io, Load& load) : socket_(io), load_(load) {
    socket_.connect(load.server);
    socket_.set_option(asio::ip::tcp::no_delay(true));
  }

  void send(Clock::time_point due) {
    due_ = due;
    asio::async_write(socket_, asio::buffer(load_.request), [this](error_code error, std::size_t) {
      if (error) {
        ++load_.failures;
        return;
      }
      response_ = {};
      http::async_read(socket_, buffer_, response_,
                       [this](error_code failure, std::size_t) { answered(failure); });
    });
  }

 private:
  void answered(error_code error) {
    const auto now = Clock::now();
    if (!error && response_.result_int() == 503) {
      ++load_.refused;
    } else if (error || response_.result_int() != 200) {
      ++load_.failures;
    } else {
      load_.samples.push_back({due_, std::chrono::duration<double, std::milli>(now - due_).count()});
    }
    if (error) {
      return;
    }
    if (load_.open && load_.due.empty()) {
      load_.free.push_back(this);
    } else if (load_.open && now < load_.end) {
      const Clock::time_point due = load_.due.front();
      load_.due.pop_front();
      send(due);
    } else if (!load_.open && now < load_.end) {
      send(now);
    }
  }

  asio::ip::tcp::socket socket_;
  Load& load_;
  Clock::time_point due_;
  boost::beast::flat_buffer buffer_;
  http::response<http::string_body> response_;
};

// Makes requests due, one after the other.
class Pace {
 public:
  Pace(asio::io_context& io, Load& load, double rate)
      : timer_(io),
        load_(load),
        step_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate))),
        next_(Clock::now()) {}

  void run() {
    const auto now = Clock::now();
    while (next_ <= now && next_ < load_.end) {
      if (load_.free.empty()) {
        load_.due.push_back(next_);
      } else {
        Sender* sender = load_.free.back();
        load_.free.pop_back();
        sender->send(next_);
      }
      next_ += step_;
    }
    if (next_ < load_.end) {
      timer_.expires_at(next_);
      timer_.async_wait([this](error_code) { run(); });
    }
  }

 private:
  asio::steady_timer timer_;
  Load& load_;
  Clock::duration step_;
  Clock::time_point next_;
};

double share(std::vector<double>& sorted, double part) {
  return sorted.empty()
             ? 0
             : sorted[std::min(sorted.size() - 1,
                               static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
}

std::vector<double> sorted_times(const std::vector<Sample>& samples, Clock::time_point from,
                                 Clock::time_point to) {
  std::vector<double> times;
  for (const Sample& sample : samples) {
    if (sample.due >= from && sample.due < to) {
      times.push_back(sample.milliseconds);
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

int run(const std::vector<std::string>& arguments) {
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string body(std::istreambuf_iterator<char>(file), {});
  const double rate = std::stod(arguments[5]);
  const std::chrono::duration<double> seconds(std::min(600.0, std::stod(arguments[6])));
  asio::io_context io(1);
  const auto start = Clock::now();
  Load load{
      fmt::format("POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                  arguments[1], arguments[3], body.size(), body),
      {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoi(arguments[0]))},
      start + std::chrono::duration_cast<Clock::duration>(seconds)};
  load.open = rate > 0;
  std::vector<std::unique_ptr<Sender>> senders;
  for (int i = 0; i < std::stoi(arguments[4]); ++i) {
    senders.push_back(std::make_unique<Sender>(io, load));
    load.free.push_back(senders.back().get());
  }
  Pace pace(io, load, std::max(rate, 1.0));
  if (load.open) {
    pace.run();
  } else {
    for (const auto& sender : senders) {
      sender->send(Clock::now());
    }
  }
  io.run_for(std::chrono::duration_cast<Clock::duration>(seconds) + std::chrono::seconds(30));
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  std::vector<double> all = sorted_times(load.samples, start, load.end + std::chrono::hours(1));
  std::string windows;
  const double window = arguments.size() > 7 ? std::stod(arguments[7]) : 0;
  for (double from = 0; window > 0 && from + window <= seconds.count() + 1e-9; from += window) {
    const auto at = [&](double second) {
      return start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(second));
    };
    std::vector<double> times = sorted_times(load.samples, at(from), at(from + window));
    windows += fmt::format("{}{:.3f}", windows.empty() ? "" : ",", share(times, 0.99));
  }
  fmt::print(
      R"({{"answers":{},"refused":{},"unsent":{},"failures":{},"rate":{:.1f},"p50":{:.3f},"p99":{:.3f},"max":{:.3f},"windows":[{}]}})"
      "\n",
      all.size(), load.refused, load.due.size(), load.failures, static_cast<double>(all.size()) / took,
      share(all, 0.5), share(all, 0.99), all.empty() ? 0 : all.back(), windows);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 7) {
    std::fputs(
        "usage: bench-open-loop PORT PATH BODY-FILE CONTENT-TYPE CONNECTIONS RATE SECONDS [WINDOW-SECONDS]\n",
        stderr);
    return 2;
  }
  try {
    return run(arguments);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench-open-loop: {}\n", failure.what());
    return 1;
  }
}
