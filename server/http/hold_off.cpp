#include "server/http/hold_off.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <utility>

namespace mlpipe {
namespace {

using std::chrono::milliseconds;

// So that refusing takes a small part of a core, however many connections ask: 2,000 a second.
constexpr milliseconds pause{10};
constexpr std::size_t most_at_a_time = 20;

}  // namespace

void HoldOff::add(std::shared_ptr<Connection> connection) {
  boost::asio::post(strand_, [this, connection = std::move(connection)]() mutable {
    waiting_.push_back({std::move(connection), TransportClock::now()});
    if (released_) {
      let_go_on();
    } else if (!looking_) {
      look_later();
    }
  });
}

void HoldOff::release() {
  released_ = true;
  let_go_on();
}

void HoldOff::look_later() {
  looking_ = true;
  timer_.expires_after(pause);
  timer_.async_wait([this](boost::system::error_code) {
    looking_ = false;
    let_go_on();
    if (!waiting_.empty()) {
      look_later();
    }
  });
}

void HoldOff::let_go_on() {
  const auto long_enough = TransportClock::now() - shortest_;
  for (std::size_t i = 0;
       !waiting_.empty() && (released_ || (i < most_at_a_time && waiting_.front().since <= long_enough));
       ++i) {
    waiting_.front().connection->go_on();
    waiting_.pop_front();
  }
}

}  // namespace mlpipe
