#pragma once

#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "server/http/server.hpp"
#include "server/http/stream.hpp"

namespace mlpipe {

using TransportClock = std::chrono::steady_clock;

class Connection;

// What all connections of a server share. It outlives them.
struct ConnectionScope {
  HttpHandler handler;
  HttpLimits limits;
  // Takes a connection whose client was told to try again later, until it may go on.
  std::function<void(std::shared_ptr<Connection>)> hold_off;
  std::atomic<bool> stopping{false};
  std::atomic<TransportClock::rep> stopped_at{0};
  std::atomic<std::size_t> buffered{0};  // bytes of all bodies that are held now
};

// One connection: a request is read, answered, the answer sent, and then the next one, each step an
// asynchronous operation on the socket's strand, which keeps the connection alive. While a request is
// answered and sent, the beginning of the next one may be read already. Made by make_shared.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // on_end is called once, when the socket has been closed. Without `tls` the connection is not encrypted.
  Connection(TransportSocket socket, ConnectionScope& scope, std::shared_ptr<TlsContext> tls,
             std::function<void(const std::shared_ptr<Connection>&)> on_end);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { hold(0); }

  // One of the two begins it. Who speaks TLS cannot be told why without a handshake and is just closed.
  void serve();
  void turn_away(int status, const std::string& why);

  // Ends the time for which it was held off; from any thread.
  void go_on();

  // For the one thread that is left.
  void cancel_request() {
    if (cancellation_) {
      cancellation_->request_stop();
    }
  }

  // Ends what the connection is doing when it has taken too long; from any thread.
  void end_if_overdue();

 private:
  using Message = boost::beast::http::response<boost::beast::http::string_body>;
  enum class Phase { idle, receiving, answering, sending, held_off, closing };

  void await_handshake();
  void begin_request();
  void parse_received();
  void receive();
  void read(std::size_t most);
  void received(boost::system::error_code error);
  void answer();
  void read_ahead();
  void give_up();
  void refuse(int status, const std::string& why);
  void send(Response response, unsigned version, bool keep_alive, bool head_only);
  void part();
  void end_sending();
  void drop_what_comes();
  void end();

  void enter(Phase phase);
  bool hold(std::size_t bytes);
  bool is_overdue() const;
  std::chrono::milliseconds limit_of(Phase phase) const;
  template <typename Action>
  auto then(Action action);

  TransportStream stream_;
  ConnectionScope& scope_;
  std::shared_ptr<TlsContext> tls_;
  std::function<void(const std::shared_ptr<Connection>&)> on_end_;
  boost::beast::flat_buffer received_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  bool header_seen_ = false;
  bool reading_ = false;                          // into received_, which must stay where it is then
  bool client_left_ = false;                      // nothing more will come
  bool sending_ended_ = false;                    // so that what still comes may be dropped
  std::optional<std::stop_source> cancellation_;  // of the request that is being answered
  std::shared_ptr<RequestRecord> record_;         // of that request; null while none is being answered
  std::uint64_t request_number_ = 0;              // so that an answer that comes too late answers no other
  Message message_;
  std::size_t held_ = 0;
  std::atomic<Phase> phase_{Phase::idle};
  std::atomic<TransportClock::rep> since_;
};

}  // namespace mlpipe
