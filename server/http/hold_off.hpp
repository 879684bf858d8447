#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>

#include "server/http/connection.hpp"

namespace mlpipe {

// Connections whose client was told to try again later. They are left unread for a moment, and then go on in
// the order in which they came, slowly while they are refused again: a client that does not wait as it was
// told waits here, where it costs nothing, and what TCP holds for it pushes back on it.
class HoldOff {
 public:
  // Each for `shortest` at least.
  HoldOff(const TransportStrand& strand, std::chrono::milliseconds shortest)
      : strand_(strand), shortest_(shortest), timer_(strand) {}

  // From any thread.
  void add(std::shared_ptr<Connection> connection);

  // On the strand: lets all go on, also those that are added later. For the end.
  void release();

 private:
  struct Waiting {
    std::shared_ptr<Connection> connection;
    TransportClock::time_point since;
  };

  void look_later();
  void let_go_on(std::size_t most);

  TransportStrand strand_;  // where everything below happens
  std::chrono::milliseconds shortest_;
  boost::asio::basic_waitable_timer<TransportClock, boost::asio::wait_traits<TransportClock>, TransportStrand>
      timer_;
  std::deque<Waiting> waiting_;
  std::size_t at_a_time_ = 0;
  bool looking_ = false;
  bool released_ = false;
};

}  // namespace mlpipe
