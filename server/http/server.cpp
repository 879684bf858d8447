#include "server/http/server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/http/connection.hpp"
#include "server/http/hold_off.hpp"

namespace mlpipe {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, TransportStrand>;
using Timer = asio::basic_waitable_timer<TransportClock, asio::wait_traits<TransportClock>, TransportStrand>;

constexpr int most_accepted_at_a_time = 64;
constexpr milliseconds accept_pause{50};  // when there are no descriptors or no memory for a connection
constexpr milliseconds longest_sweep_pause{500};
constexpr milliseconds sweep_pause_when_stopping{20};
constexpr milliseconds longest_clearing_up{100};

asio::ip::tcp protocol_of(const FileDescriptor& socket) {
  int family = 0;
  socklen_t size = sizeof family;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
}

}  // namespace

// The acceptor and the timers share a strand; connections have one each.
struct HttpServer::Implementation {
  Implementation(FileDescriptor listening_socket, HttpHandler handler, HttpLimits limits, unsigned threads,
                 std::shared_ptr<const Current<TlsContext>> wanted_tls)
      : tls(std::move(wanted_tls)),
        scope{std::move(handler), limits, nullptr},
        io(static_cast<int>(threads)),
        strand(asio::make_strand(io)),
        acceptor(strand),
        accept_timer(strand),
        sweep_timer(strand),
        hold_off(strand, limits.held_off) {
    scope.hold_off = [this](std::shared_ptr<Connection> connection) { hold_off.add(std::move(connection)); };
    const asio::ip::tcp protocol = protocol_of(listening_socket);
    acceptor.assign(protocol, listening_socket.release());
    acceptor.non_blocking(true);
    asio::post(strand, [this] {
      accept_next();
      sweep_later();
    });
    for (unsigned i = 0; i < threads; ++i) {
      workers.emplace_back([this] { io.run(); });
    }
  }

  ~Implementation() {
    scope.stopping = true;
    io.stop();
    workers.clear();
    connections.clear();  // their sockets must not outlive the io_context
  }

  void accept_next() {
    if (scope.stopping) {
      accept_the_rest();
      return;
    }
    acceptor.async_accept(asio::make_strand(io), [this](error_code error, TransportSocket socket) {
      if (!error) {
        start(std::move(socket));
        accept_more();
      }
      if (!error || error == asio::error::operation_aborted || error == asio::error::connection_aborted) {
        accept_next();
      } else {  // the client waits in the queue; something may be free again soon
        accept_timer.expires_after(accept_pause);
        accept_timer.async_wait([this](error_code) { accept_next(); });
      }
    });
  }

  // One connection for each round of what the others have ready would let the kernel's queue overflow.
  void accept_more() {
    for (int i = 0; i < most_accepted_at_a_time && accept_one(); ++i) {
    }
  }

  // Whether one waited.
  bool accept_one() {
    error_code error;
    TransportSocket socket(asio::make_strand(io));
    acceptor.accept(socket, error);
    if (!error) {
      start(std::move(socket));
    }
    return !error;
  }

  // Who was let in by the kernel before the stop is served too.
  void accept_the_rest() {
    while (accept_one()) {
    }
    error_code error;
    acceptor.close(error);
    const std::lock_guard lock(mutex);
    accepting = false;
    changed.notify_all();
  }

  void start(TransportSocket socket) {
    try {
      error_code ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
      const auto connection =
          std::make_shared<Connection>(std::move(socket), scope, tls ? tls->get() : nullptr,
                                       [this](const std::shared_ptr<Connection>& ended) { forget(ended); });
      bool room = true;
      {
        const std::lock_guard lock(mutex);
        room = connections.size() < scope.limits.connections;
        connections.insert(connection);
      }
      if (room) {
        connection->serve();
      } else {
        connection->turn_away(503, "connections: too many are open, try again");
      }
    } catch (const std::exception&) {
      // Out of memory for this one; its socket is closed, and the others go on.
    }
  }

  void forget(const std::shared_ptr<Connection>& connection) {
    const std::lock_guard lock(mutex);
    connections.erase(connection);
    changed.notify_all();
  }

  // One timer for all connections: setting one for each request would cost it a system call.
  void sweep_later() {
    const HttpLimits& limits = scope.limits;
    const milliseconds shortest = std::min({limits.idle, limits.receiving, limits.answering, limits.sending});
    const milliseconds calm = std::clamp(shortest / 4, milliseconds(10), longest_sweep_pause);
    sweep_timer.expires_after(scope.stopping ? std::min(calm, sweep_pause_when_stopping) : calm);
    sweep_timer.async_wait([this](error_code) {
      {
        const std::lock_guard lock(mutex);
        for (const std::shared_ptr<Connection>& connection : connections) {
          connection->end_if_overdue();
        }
      }
      sweep_later();
    });
  }

  void stop(milliseconds grace) {
    scope.stopped_at = TransportClock::now().time_since_epoch().count();
    scope.stopping = true;
    asio::post(strand, [this] {
      error_code ignored;
      acceptor.cancel(ignored);
      accept_timer.cancel();
      sweep_timer.cancel();
      hold_off.release();
    });
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, grace, [this] { return !accepting && connections.empty(); });
    }
    io.stop();
    workers.clear();
    for (const std::shared_ptr<Connection>& connection : connections) {
      connection->cancel_request();
    }
    // What was posted and not yet begun; not for as long as clients go on sending.
    io.restart();
    const auto end = TransportClock::now() + longest_clearing_up;
    while (TransportClock::now() < end && io.poll_one() > 0) {
    }
  }

  std::shared_ptr<const Current<TlsContext>> tls;
  ConnectionScope scope;
  std::mutex mutex;
  std::condition_variable changed;
  bool accepting = true;                                        // under the mutex
  std::unordered_set<std::shared_ptr<Connection>> connections;  // under the mutex
  asio::io_context io;
  TransportStrand strand;
  Acceptor acceptor;
  Timer accept_timer;
  Timer sweep_timer;
  HoldOff hold_off;
  std::vector<std::jthread> workers;  // last: they end first
};

HttpServer::HttpServer(FileDescriptor listening_socket, HttpHandler handler, HttpLimits limits,
                       unsigned threads, std::shared_ptr<const Current<TlsContext>> tls)
    : implementation_(std::make_unique<Implementation>(std::move(listening_socket), std::move(handler),
                                                       limits, threads, std::move(tls))) {}

HttpServer::~HttpServer() = default;

void HttpServer::post(std::function<void()> action) {
  boost::asio::post(implementation_->io, std::move(action));
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  implementation_->stop(grace);
}

}  // namespace mlpipe
