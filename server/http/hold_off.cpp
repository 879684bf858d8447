#include "server/http/hold_off.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <utility>

namespace mlpipe {
namespace {

using std::chrono::milliseconds;

// While they are refused again each waits for about the second that it was told to wait. No more than 2,000
// go on in a second, so that refusing takes a small part of a core however many ask.
constexpr milliseconds pause{10};
constexpr std::size_t pauses_in_a_second = 100;
constexpr std::size_t most_at_first = 20;

}  // namespace

void HoldOff::add(std::shared_ptr<Connection> connection) {
  boost::asio::post(strand_, [this, connection = std::move(connection)]() mutable {
    waiting_.push_back({std::move(connection), TransportClock::now()});
    at_a_time_ = std::clamp<std::size_t>(waiting_.size() / pauses_in_a_second, 1, most_at_first);
    if (released_) {
      let_go_on(waiting_.size());
    } else if (!looking_) {
      look_later();
    }
  });
}

void HoldOff::release() {
  released_ = true;
  let_go_on(waiting_.size());
}

void HoldOff::look_later() {
  looking_ = true;
  timer_.expires_after(pause);
  timer_.async_wait([this](boost::system::error_code) {
    looking_ = false;
    let_go_on(at_a_time_);
    if (!waiting_.empty()) {
      look_later();
    }
  });
}

// Twice as many the next time, unless one is refused again: then there is room for all of them.
void HoldOff::let_go_on(std::size_t most) {
  const auto long_enough = TransportClock::now() - shortest_;
  std::size_t count = 0;
  while (!waiting_.empty() && count < most && (released_ || waiting_.front().since <= long_enough)) {
    waiting_.front().connection->go_on();
    waiting_.pop_front();
    ++count;
  }
  at_a_time_ += count;
}

}  // namespace mlpipe
